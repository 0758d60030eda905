import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fleet, startFleet } from './fleet';
import { type Cell, isWorse, judge } from './judge';
import { type JudgedCell, reportCells } from './report';
import { runScene } from './run-scene';
import { nameOf, type Scene } from './scenes';

/** A scene is run again where a cell is worse; one that is worse in all its runs fails. */
const MOST_RUNS = 3;
const RUN_MS = 60_000;

/** A test for each scene: no algorithm loses more calls, or spreads them less evenly, than grpc-js beside it. */
export function describeNeverWorse(scenes: readonly Scene[]): void {
  describe('never worse than round_robin of grpc-js', () => {
    const judged: JudgedCell[] = [];
    let fleet: Fleet | undefined;
    beforeAll(async () => {
      fleet = await startFleet();
    });
    afterAll(async () => {
      await fleet?.stop();
      reportCells(judged);
    });

    for (const scene of scenes) {
      it(
        nameOf(scene),
        async () => {
          const runs = await runUntilCleared(scene, fleet as Fleet);
          const first = runs[0] as readonly Cell[];
          const cells = first.map((cell, index): JudgedCell => {
            const worseIn = runs.filter((run) => isWorse(run[index] as Cell)).length;
            return { ...cell, runs: runs.length, worseIn };
          });
          judged.push(...cells);
          expect(cells.filter(({ worseIn }) => worseIn === MOST_RUNS)).toEqual([]);
        },
        MOST_RUNS * RUN_MS,
      );
    }
  });
}

/** The cells of each run; the last one has none that was worse in all of them, unless there were as many as may be. */
async function runUntilCleared(scene: Scene, fleet: Fleet): Promise<(readonly Cell[])[]> {
  const runs: (readonly Cell[])[] = [];
  let suspects: readonly string[] | undefined;
  while (runs.length < MOST_RUNS && suspects?.length !== 0) {
    const cells = judge(scene, await runScene(scene, fleet, runs.length + 1));
    runs.push(cells);
    const before = suspects;
    suspects = cells
      .filter((cell) => isWorse(cell) && before?.includes(cell.algorithm) !== false)
      .map(({ algorithm }) => algorithm);
  }
  return runs;
}
