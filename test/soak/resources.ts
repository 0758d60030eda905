import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pause } from './faults';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What a process holds: handles and timers by their kind, and its listeners. */
export type Held = Readonly<Record<string, number>>;

export function held(): Held {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  counts['listeners of the process'] = process
    .eventNames()
    .reduce((sum, event) => sum + process.listenerCount(event), 0);
  return counts;
}

/** What is held beyond `before` when everything was closed: connections that nobody uses are given half a minute to end. */
export async function leftBehind(before: Held): Promise<string[]> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const now = held();
    const more = Object.entries(now).flatMap(([kind, count]) => {
      const former = before[kind] ?? 0;
      // One timer may be the one that this function waits by.
      return count > former + (kind === 'Timeout' ? 1 : 0) ? [`${kind}: ${former}, then ${count}`] : [];
    });
    if (more.length === 0 || performance.now() > deadline) return more;
    await pause(500);
  }
}

/** Used after a collection, in MB: the least of several, since calls are under way. */
export async function usedHeapMb(): Promise<number> {
  const samples: number[] = [];
  for (let sample = 0; sample < 5; sample += 1) {
    collectGarbage();
    samples.push(process.memoryUsage().heapUsed / 2 ** 20);
    await pause(100);
  }
  return Math.round(Math.min(...samples) * 10) / 10;
}
