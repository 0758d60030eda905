import { describe, expect, it } from 'vitest';
import { expectChainsToAgree } from './agreement';

describe('a compiled chain', () => {
  it('agrees with a reading of the documentation on 100,000 pairs of chain and call', { timeout: 600_000 }, () => {
    expect(expectChainsToAgree(2_500)).toBe(100_000);
  });
});
