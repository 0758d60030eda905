import { describe, it } from 'vitest';
import { rolloutWorld } from '../rollout/rollout-world';
import { gradualIsTakenBack } from './gradual-taken-back';

const world = rolloutWorld({ config: { limits: { http_max_conns_per_client: 5_000 } } });

describe('graylane policy apply --gradual', { timeout: 150_000 }, () => {
  it('takes back a policy that breaks calls before the other clients see it', async () => {
    await gradualIsTakenBack(world, { processes: 2, clients: 25 });
  });
});
