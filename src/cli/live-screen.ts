import { sleep } from '../base/sleep';
import type { CommandIo } from './io';
import { linesThatFit } from './wrap-text';

/** Back to the first line, and what is below is gone. */
export const REDRAW = '\u001b[H\u001b[J';
const EVERY_MS = 1_000;
const LONG_MS = 3_600_000;

/**
 * Draws again and again what `draw` prints, cut to the terminal, until `q` or an interrupt; without a terminal once.
 * What `draw` throws ends it.
 */
export async function liveScreen(draw: (io: CommandIo) => Promise<void>, io: CommandIo): Promise<void> {
  if (!io.isTerminal) {
    await draw(io);
    return;
  }
  const ended = new AbortController();
  const { interrupted } = io;
  const end = (): void => ended.abort();
  interrupted.addEventListener('abort', end, { once: true });
  const stopKeys = io.onKey((key) => {
    if (key === 'q') end();
  });
  try {
    while (!ended.signal.aborted && !interrupted.aborted) {
      const lines = await collect(draw, io);
      const shown = linesThatFit(lines, { rows: io.rows - 2, columns: io.columns });
      const more = lines.length - shown.length;
      const foot = more === 0 ? 'q quits' : `${more} more lines; q quits`;
      io.write(REDRAW);
      for (const line of [...shown, io.colors.dim(foot)]) io.line(line);
      await sleep(EVERY_MS, ended.signal);
    }
  } finally {
    stopKeys();
    interrupted.removeEventListener('abort', end);
  }
  // To be ended by hand is how a live view is meant to end.
  io.exitCode = 0;
}

/** The lines that it would print, of either kind. */
async function collect(draw: (io: CommandIo) => Promise<void>, io: CommandIo): Promise<readonly string[]> {
  const lines: string[] = [];
  const { renderTable } = await import('./table.js');
  const take = (text = ''): void => void lines.push(...text.split('\n'));
  // Its own properties hide those of the real one; the rest is inherited.
  const screen = Object.create(io, {
    line: { value: take },
    note: { value: take },
    table: {
      value: async (head: readonly string[], rows: readonly (readonly string[])[]) =>
        take(renderTable(head.map(io.colors.bold), rows, io.columns)),
    },
    exitCode: { value: 0, writable: true },
  }) as CommandIo;
  await draw(screen);
  return lines;
}

/** Keeps the process alive until it is interrupted: nothing of a client does. */
export async function untilInterrupted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(LONG_MS, signal);
}
