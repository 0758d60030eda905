import { describe, expect, it } from 'vitest';
import { BY_EXHAUSTED, describeBrownOut } from './brown-out';
import { type Behaviour, graylaneWork, workServers } from './world';

/** The other way is in brown-out.long.test.ts. */
describeBrownOut([BY_EXHAUSTED]);

const WELL: Behaviour = { takesMs: 500, isEven: true, limit: 10 };

describe('a canary that can do less for a while', () => {
  const serving = workServers();
  const openGraylane = graylaneWork();

  it('opens no breaker of a canary, by either', async () => {
    const canary: Behaviour = { ...WELL, limit: 0 };
    const servers = await serving([canary, WELL]);
    const { work, opened, graylane } = await openGraylane(
      servers.map(({ port }) => port),
      {
        subsets: { canary: { tags: ['canary'], fallback: 'stable' }, stable: { tags: ['stable'] } },
        default: 'canary',
      },
      ['canary', 'stable'],
    );
    for (let turn = 0; turn < 15; turn += 1) expect(await work()).toBe(8);
    if (servers[0] !== undefined) servers[0].behaviour = { ...canary, pushbackMs: 100 };
    for (let turn = 0; turn < 15; turn += 1) expect(await work()).toBe(14);
    expect(opened).toEqual([]);
    expect(graylane.breakers.list().flatMap(({ counts }) => [counts.failures, counts.successes])).toEqual([0, 0]);
  });
});
