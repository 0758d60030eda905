import { describe, expect, it } from 'vitest';
import { expectChainsToAgree } from './agreement';

describe('a compiled chain', () => {
  it('agrees with a reading of the documentation on 10,000 pairs of chain and call', { timeout: 120_000 }, () => {
    expect(expectChainsToAgree(250)).toBe(10_000);
  });
});
