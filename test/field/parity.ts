import { describe, expect, it, vi } from 'vitest';
import { seenByGraylane, seenByGrpc } from './beside-grpc';
import { type Cell, nameOf } from './cells';
import { expectedOnGraylane } from './exceptions';
import type { Seen } from './watched-call';

/** Most of a cell's time is spent waiting for frames. */
const AT_ONCE = 16;

/** A test for each cell: one call by Graylane, the same by grpc-js, each with servers of its own. */
export function describeParity(cells: readonly Cell[], atOnce: number = AT_ONCE): void {
  vi.setConfig({ maxConcurrency: atOnce });
  const describeCells = atOnce === 1 ? describe : describe.concurrent;
  describeCells('a call means what it means on grpc-js', () => {
    for (const cell of cells) {
      it(nameOf(cell), async () => {
        const [graylane, plain] = await Promise.all([seenByGraylane(cell), seenByGrpc(cell)]);
        const expected = await expectedOnGraylane(cell, plain);
        expect(graylane, differences(graylane, expected)).toEqual(expected);
      });
    }
  });
}

/** A word on each property in which the two differ. */
function differences(seen: Seen, expected: Seen): string {
  const names = Object.keys(expected) as (keyof Seen)[];
  return names
    .filter((name) => String(seen[name]) !== String(expected[name]))
    .map((name) => `${name}: ${seen[name]} (expected: ${expected[name]})`)
    .join(' | ');
}
