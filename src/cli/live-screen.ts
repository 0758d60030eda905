import { sleep } from '../base/sleep';
import { type Columns, type CommandIo, tableOf } from './io';
import { linesThatFit } from './wrap-text';

/** Moves to the first line and clears what is below. */
export const REDRAW = '\u001b[H\u001b[J';
const EVERY_MS = 1_000;
const LONG_MS = 3_600_000;

/**
 * Draws what `draw` prints every second, cut to the terminal, until `q` or an interrupt. Without a terminal, or with
 * `--json`, draws once. An error of `draw` ends it.
 */
export async function liveScreen(draw: (io: CommandIo) => Promise<void>, io: CommandIo): Promise<void> {
  if (!io.canRedraw || io.asJson) {
    await draw(io);
    return;
  }
  const ended = new AbortController();
  const stop = AbortSignal.any([ended.signal, io.interrupted]);
  const stopKeys = io.onKey((key) => {
    if (key === 'q') ended.abort();
  });
  try {
    while (!stop.aborted) {
      const lines = await collect(draw, io);
      const shown = linesThatFit(lines, { rows: io.rows - 2, columns: io.columns });
      const more = lines.length - shown.length;
      const foot = more === 0 ? 'q quits' : `${more} more lines; q quits`;
      io.write(REDRAW);
      for (const line of [...shown, io.colors.dim(foot)]) io.line(line);
      await sleep(EVERY_MS, stop);
    }
  } finally {
    stopKeys();
  }
  // A live view always ends by hand, which is no problem.
  io.exitCode = 0;
}

/** The lines that `draw` would print to standard output and standard error. */
async function collect(draw: (io: CommandIo) => Promise<void>, io: CommandIo): Promise<readonly string[]> {
  const lines: string[] = [];
  const take = (text = ''): void => void lines.push(...text.split('\n'));
  const table = async <T>(items: readonly T[], columns: Columns<T>): Promise<void> =>
    take(await tableOf(items, columns, io.colors, io.columns));
  // Its own properties hide those of the real one; the rest is inherited.
  await draw(Object.assign(Object.create(io) as CommandIo, { line: take, note: take, table, exitCode: 0 }));
  return lines;
}

/** Keeps the process alive until it is interrupted. A client alone does not. */
export async function untilInterrupted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(LONG_MS, signal);
}
