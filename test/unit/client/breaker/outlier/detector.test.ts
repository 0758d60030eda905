import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import type { Breaker } from '../../../../../src/client/breaker/breaker';
import { OutlierDetector } from '../../../../../src/client/breaker/outlier/detector';
import { FailureShares, MethodShares } from '../../../../../src/client/breaker/outlier/failure-shares';
import { BreakerRegistry } from '../../../../../src/client/breaker/registry';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import { noJitter, plan } from '../fixture';

interface Member {
  readonly shares: FailureShares;
  breaker: Breaker | undefined;
}

/** Ten endpoints with a call of each in every tick; which of them are ejected within `forMs`. */
function ejected(forMs: number, end: (index: number, nowMs: number, usual: MethodShares[]) => [MethodShares, boolean]) {
  const clock = new FakeClock();
  const breakers = new BreakerRegistry({ clock, random: noJitter });
  const members: Member[] = Array.from({ length: 10 }, () => ({ shares: new FailureShares(), breaker: undefined }));
  const judge = new OutlierDetector();
  const methods = [new MethodShares(), new MethodShares()];
  const out = new Set<number>();
  for (let nowMs = 100; nowMs <= forMs; nowMs += 100) {
    clock.advance(100);
    for (const [index, { shares, breaker }] of members.entries()) {
      if (breaker?.trial !== undefined) continue;
      const [method, isBad] = end(index, nowMs, methods);
      const outcome = isBad ? 'failure' : 'good';
      if (shares.record(outcome, method, -1, nowMs)) method.ended(outcome);
    }
    const breakerOf = (member: Member): Breaker => {
      member.breaker = breakers.failed(`dc1/10.0.0.${members.indexOf(member)}:80`, plan());
      return member.breaker;
    };
    judge.detect(members, plan(), breakerOf, nowMs);
    for (const [index, { breaker }] of members.entries()) if (breaker?.trial !== undefined) out.add(index);
  }
  breakers.close();
  return [...out];
}

describe('the judge of outliers', () => {
  it('ejects one that fails now and then, and not for as many failures at once', () => {
    const spread = ejected(20_000, (index, nowMs, [method]) => [
      method as MethodShares,
      index === 0 && nowMs > 8_000 && nowMs % 1_000 < 300,
    ]);
    expect(spread).toEqual([0]);
    const atOnce = ejected(20_000, (index, nowMs, [method]) => [
      method as MethodShares,
      index === 0 && nowMs > 1_000 && nowMs <= 2_000,
    ]);
    expect(atOnce).toEqual([]);
  });

  it('measures one that gets more calls of a method that fails everywhere against peers with its mix', () => {
    const random = seededRandom(1);
    const isWorseThan = (share: number): number[] =>
      ejected(600_000, (index, _nowMs, [fine, broken]) => {
        const isBroken = random() < (index === 0 ? 0.8 : 0.05);
        const fails = isBroken && random() < (index === 0 ? share : 0.3);
        return [(isBroken ? broken : fine) as MethodShares, fails];
      });
    expect(isWorseThan(0.3)).toEqual([]);
    expect(isWorseThan(0.9)).toEqual([0]);
  });
});
