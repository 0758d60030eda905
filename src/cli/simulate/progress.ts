import type { CommandIo } from '../io';

/** A bar on a terminal, nothing anywhere else. */
export interface Progress {
  reached(done: number): void;
  /** Takes the bar away. */
  end(): void;
}

const WIDTH = 40;
const SHOWN_AFTER_MS = 300;

export function createProgress(of: number, io: Pick<CommandIo, 'isTerminal' | 'write'>): Progress {
  if (!io.isTerminal) return { reached() {}, end() {} };
  const started = performance.now();
  let shown = -1;
  return {
    reached(done) {
      const filled = Math.floor((done / of) * WIDTH);
      if (filled === shown || performance.now() - started < SHOWN_AFTER_MS) return;
      shown = filled;
      io.write(`\r${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${Math.floor((done / of) * 100)} %`);
    },
    end() {
      if (shown >= 0) io.write(`\r${' '.repeat(WIDTH + 6)}\r`);
    },
  };
}
