import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { balanceShares, Share, shedBeside } from '../../../../../src/client/balancer/endpoints/share';

/** Seconds of equal traffic: what each endpoint accepts and turns away in each. */
function run(
  shares: readonly Share[],
  seconds: number,
  each: (index: number) => [accepted: number, shed: number],
  fromMs = 0,
) {
  for (let second = 1; second <= seconds; second += 1) {
    const nowMs = fromMs + second * 1_000;
    for (const [index, share] of shares.entries()) {
      const [accepted, shed] = each(index);
      share.accepted += accepted;
      for (let time = 0; time < shed; time += 1) share.turnedAway(0, nowMs);
    }
    balanceShares(shares, nowMs);
  }
}

const three = (): Share[] => [new Share(), new Share(), new Share()];

describe('the share of an endpoint', () => {
  it('falls by what it turns away beyond its peers', () => {
    const shares = three();
    run(shares, 1, (index) => (index === 0 ? [50, 48] : [100, 0]));
    expect(shares.map(({ factor }) => factor)).toEqual([0.52, 1, 1]);
  });

  it('stays for a single answer, which may be chance, and falls for two in a row, not to nothing', () => {
    const shares = three();
    run(shares, 1, (index) => (index === 0 ? [0, 1] : [1, 0]));
    expect(shares[0]?.factor).toBe(1);
    run(shares, 1, (index) => (index === 0 ? [0, 1] : [1, 0]), 1_000);
    expect(shares[0]?.factor).toBeCloseTo(1 - 1.5 / 3.5);
  });

  it.each([0.02, 0.1, 0.5])('is hardly moved by chance where each turns away %f of its calls', (part) => {
    const random = seededRandom(1);
    const shares = three();
    let lost = 0;
    run(shares, 1_000, (index) => {
      lost += 1 - (shares[index]?.factor ?? 0);
      const shed = Array.from({ length: 20 }, () => random() < part).filter((isShed) => isShed).length;
      return [20 - shed, shed];
    });
    expect(lost / 3_000).toBeLessThan(0.01);
  });

  it('stays where all turn away alike', () => {
    const shares = three();
    run(shares, 60, (index) => [100 + index, 50 - index]);
    for (const { factor } of shares) expect(factor).toBe(1);
  });

  it('stays where it is the only one', () => {
    const [only = new Share()] = three();
    run([only], 10, () => [5, 0]);
    expect(only.factor).toBe(1);
  });

  it('stops falling where something is left to see its recovery by, and comes back by itself', () => {
    const shares = three();
    run(shares, 60, (index) => (index === 0 ? [0, 10] : [100, 0]));
    expect(shares[0]?.factor).toBe(0.02);
    // Doubled with each second in which nothing was accepted: 80 s at most.
    run(shares, 25, () => [10, 0], 60_000);
    expect(shares[0]?.factor).toBe(1);
  });

  it('grows carefully where it has just turned calls away', () => {
    const shares = three();
    run(shares, 1, (index) => (index === 0 ? [50, 48] : [100, 0]));
    run(shares, 5, () => [50, 0], 1_000);
    expect(shares[0]?.factor).toBeCloseTo(0.52 * 1.05 ** 5);
    run(shares, 10, () => [50, 0], 6_000);
    expect(shares[0]?.factor).toBe(1);
  });

  it('does not grow for as long as the server asks for, a minute at most', () => {
    for (const [pushbackMs, heldMs] of [
      [20_000, 20_000],
      [3_600_000, 60_000],
    ] as const) {
      const shares = three();
      for (let time = 0; time < 4; time += 1) shares[0]?.turnedAway(pushbackMs, 0);
      for (const share of shares) share.accepted = 4;
      balanceShares(shares, 0);
      const fallen = shares[0]?.factor ?? 1;
      expect(fallen).toBeLessThan(1);
      run(shares, heldMs / 1_000 - 1, () => [1, 0]);
      expect(shares[0]?.factor).toBe(fallen);
      run(shares, 60, () => [1, 0], heldMs);
      expect(shares[0]?.factor).toBe(1);
    }
  });

  it('is moved once in a second, however many pools it is in', () => {
    const shares = three();
    run(shares, 1, (index) => (index === 0 ? [50, 48] : [100, 0]));
    const fallen = shares[0]?.factor;
    for (let time = 0; time < 5; time += 1) expect(balanceShares(shares, 1_500)).toBe(false);
    expect(shares[0]?.factor).toBe(fallen);
  });
});

describe('what others turn away', () => {
  it('leaves out the endpoint itself', () => {
    const [own, total] = [new Share(), new Share()];
    expect(shedBeside(own, total)).toBe(0);
    for (let time = 0; time < 10; time += 1) for (const share of [own, total]) share.turnedAway(0, 0);
    total.accepted = 30;
    expect(shedBeside(own, total)).toBe(0);
    for (let time = 0; time < 10; time += 1) total.turnedAway(0, 0);
    expect(shedBeside(own, total)).toBe(0.25);
  });
});
