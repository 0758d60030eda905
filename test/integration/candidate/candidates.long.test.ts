import { describe, it } from 'vitest';
import { rolloutWorld } from '../rollout/rollout-world';
import { gradualIsTakenBack } from './gradual-taken-back';
import { trialAgrees } from './trial-agrees';

const world = rolloutWorld({ config: { limits: { http_max_conns_per_client: 5_000 } } });

describe('a fleet', { timeout: 240_000 }, () => {
  it('of 20 processes is told in a trial what apply then does', async () => {
    await trialAgrees(world, { processes: 20, seconds: 30, users: 600, perSecond: 15 });
  });

  it('of 50 processes has a breaking policy in one of them, and not for long', async () => {
    await gradualIsTakenBack(world, { processes: 50, clients: 1, perSecond: 5, withinMs: 30_000 });
  });
});
