import { describe, expect, it } from 'vitest';
import { FallbackCap, FallbackCaps } from '../../../../src/client/breaker/fallback-caps';
import { compilePolicy } from '../../../../src/policy/compile';

describe('a cap of 25 %', () => {
  it('lets a burst of ten through, and then every fourth call', () => {
    const cap = new FallbackCap(25);
    const taken = Array.from({ length: 400 }, () => {
      cap.called();
      return cap.take();
    });
    const firstDenied = taken.indexOf(false);
    expect(firstDenied).toBeGreaterThanOrEqual(10);
    expect(firstDenied).toBeLessThanOrEqual(14);
    expect(taken.slice(100).filter(Boolean).length).toBe(75);
  });

  it('is not felt by a few calls in many', () => {
    const cap = new FallbackCap(25);
    for (let call = 0; call < 1_000; call += 1) {
      cap.called();
      if (call % 5 === 0) expect(cap.take()).toBe(true);
    }
  });
});

describe('the caps of a service', () => {
  const subsets = (percentage: number | undefined) =>
    compilePolicy(
      {
        content: {
          schema: 1,
          service: 'payments',
          subsets: {
            stable: {},
            canary: {
              fallback: 'stable',
              ...(percentage === undefined ? {} : { fallbackMaxPercentage: percentage }),
            },
          },
          default: 'stable',
        },
        format: 'object',
      },
      { service: 'payments', origin: 'inline' },
    ).subsets;

  it('are none where the policy has none, or 100 %', () => {
    const caps = new FallbackCaps();
    caps.configure(subsets(undefined));
    expect(caps.isEmpty).toBe(true);
    caps.configure(subsets(100));
    expect(caps.isEmpty).toBe(true);
  });

  it('keep their allowance when a policy comes that does not change them, and go with it', () => {
    const caps = new FallbackCaps();
    caps.configure(subsets(25));
    const cap = caps.of('canary');
    while (cap?.take());
    caps.configure(subsets(25));
    expect(caps.of('canary')?.take()).toBe(false);
    caps.configure(subsets(50));
    expect(caps.of('canary')?.take()).toBe(true);
    caps.configure(subsets(undefined));
    expect(caps.isEmpty).toBe(true);
  });
});
