import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { spreadOfCount } from '../../support/chance';
import { sliceOf } from '../../support/slice';
import { fleets } from './fleet';

/** Those that a breaker counts open it, and the share falls to nothing. */
const CODES = Object.entries(status).filter(([, code]) => typeof code === 'number' && code !== 0);

/** H4: what answers at once with an error looks no faster than those who do the work. */
describe('one of three that answers each call at once', () => {
  const open = fleets();

  it.each(sliceOf(CODES, 6))('gets no more than its share: %s', async (_, code) => {
    const fleet = await open({ behaviours: [{ code: code as number }, { getMs: 30 }, { getMs: 30 }] });
    const counts = await fleet.load(1_000, 4);
    const total = [...counts.values()].reduce((a, b) => a + b, 0);
    // Twice or three times its share, if it looked fast.
    expect(counts.get('failed') ?? 0).toBeLessThan(total / 3 + spreadOfCount(total, total / 3));
  });
});
