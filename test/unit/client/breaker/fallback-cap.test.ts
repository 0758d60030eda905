import { describe, expect, it } from 'vitest';
import { FallbackCap } from '../../../../src/client/breaker/fallback-cap';
import { BreakerRegistry } from '../../../../src/client/breaker/registry';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
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

  function capsOf() {
    const registry = new BreakerRegistry({ clock: new FakeClock(), random: () => 0 });
    return {
      configure: (percentage: number | undefined) =>
        registry.configure({ endpoint: () => undefined, subsets: subsets(percentage) }),
      cap: () => registry.fallbackCap('canary'),
    };
  }

  it('are none where the policy has none, or 100 %', () => {
    const { configure, cap } = capsOf();
    configure(undefined);
    expect(cap()).toBeUndefined();
    configure(100);
    expect(cap()).toBeUndefined();
  });

  it('keep their allowance when a policy comes that does not change them, and go with it', () => {
    const { configure, cap } = capsOf();
    configure(25);
    while (cap()?.take());
    configure(25);
    expect(cap()?.take()).toBe(false);
    configure(50);
    expect(cap()?.take()).toBe(true);
    configure(undefined);
    expect(cap()).toBeUndefined();
  });
});
