import { sleep } from '../../base/sleep';
import { orFailure } from '../consul/store-session';
import type { CommandIo } from '../io';
import { REDRAW } from '../live-screen';
import type { ScreenSize } from '../wrap-text';

const LOOK_MS = 1000;

/** What is watched, and how each of it is shown. */
export interface WatchedRecords<T> {
  /** Rejects where there is none, or Consul does not answer. */
  read(): Promise<readonly T[]>;
  /** Tells it from the others; begins its line in a pipe. */
  nameOf(each: T): string;
  /** Another one after each change that is worth a line. */
  stampOf(each: T): string;
  /** In how few words its line in a pipe says where it stands. */
  describe(each: T): string;
  /** For `--json`. */
  asData(each: T): object;
  /** For a terminal, in this much room. */
  linesOf(each: T, room: ScreenSize): readonly string[] | Promise<readonly string[]>;
  hasEnded(each: T): boolean;
  /** Of what has ended: otherwise than it should have. */
  isTakenBack(each: T): boolean;
}

/**
 * Redraws on a terminal, prints a line for each change in a pipe. Ends when all have ended, or when interrupted; with 3
 * when one was taken back.
 */
export async function watchRecords<T>(watched: WatchedRecords<T>, io: CommandIo): Promise<void> {
  const { interrupted } = io;
  const isLive = io.canRedraw && !io.asJson;
  const stamps = new Map<string, string>();
  let problem: string | undefined;
  let found = await watched.read();
  while (!interrupted.aborted) {
    if (isLive) io.write(REDRAW);
    // The last row stays free for the cursor.
    const room = { rows: Math.floor((io.rows - 1) / found.length), columns: io.columns };
    for (const each of found) {
      const name = watched.nameOf(each);
      const stamp = watched.stampOf(each);
      const isNew = stamps.get(name) !== stamp;
      stamps.set(name, stamp);
      if (isLive) for (const line of await watched.linesOf(each, room)) io.line(line);
      else if (isNew) {
        io.jsonLine(watched.asData(each));
        io.line(`${new Date().toISOString()} ${name} ${watched.describe(each)}`);
      }
    }
    if (isLive && problem !== undefined) io.line(io.colors.yellow(problem));
    if (found.every(watched.hasEnded)) {
      if (found.some(watched.isTakenBack)) io.exitCode = 3;
      return;
    }
    await sleep(LOOK_MS, interrupted);
    const next = await orFailure(watched.read());
    if ('failure' in next) {
      if (!isLive && problem === undefined) io.note(`graylane: ${next.failure}; goes on looking`);
      problem = next.failure;
    } else {
      found = next;
      problem = undefined;
    }
  }
}
