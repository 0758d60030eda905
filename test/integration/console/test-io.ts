import picocolors from 'picocolors';
import type { CommandIo } from '../../../src/cli/io';

/** Of a console that is served from the test's own process. What it prints goes to `notes`. */
export function testIo(env: CommandIo['env'], notes: string[]): CommandIo {
  return {
    ...{ asJson: false, env, isTerminal: false, canRedraw: false, columns: 80, rows: 24, exitCode: 0 },
    colors: picocolors.createColors(false),
    ...{ json() {}, jsonLine() {}, table: async () => {}, ask: async () => undefined, onKey: () => () => {} },
    line: (text = '') => void notes.push(text),
    write: (text) => void notes.push(text),
    note: (text) => void notes.push(text),
    interrupted: new AbortController().signal,
  };
}
