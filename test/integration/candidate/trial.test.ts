import { describe, it } from 'vitest';
import { rolloutWorld } from '../rollout/rollout-world';
import { trialAgrees } from './trial-agrees';

const world = rolloutWorld({ config: { limits: { http_max_conns_per_client: 5_000 } } });

describe('graylane policy trial', { timeout: 90_000 }, () => {
  it('tells what apply then does', async () => {
    await trialAgrees(world, { processes: 3, seconds: 6, users: 300, perSecond: 400 });
  });
});
