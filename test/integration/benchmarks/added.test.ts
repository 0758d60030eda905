import { describe, expect, it } from 'vitest';
import { type Cost, comparedWithBest, lineOf } from '../../../benchmarks/proxies/added';

const ROUNDS = 31;
const ABOUT = { concurrency: 1, isOurs: false };

/** Rounds whose costs lie evenly around `us`, `spread` to either side. */
function costs(us: number, spread: number, proxyUs = 0): readonly Cost[] {
  return Array.from({ length: ROUNDS }, (_, round) => {
    // Not in the order of the reference's, or all differences would be the same.
    const off = (((round * 7) % ROUNDS) / (ROUNDS - 1) - 0.5) * 2 * spread;
    return { cpuUsPerCall: us + off, proxyUsPerCall: proxyUs, p50Us: us + off, p99Us: us, callsPerSecond: 1_000 };
  });
}

const direct = costs(200, 0);
const references = { direct, ours: costs(205, 0) };
const nginx = lineOf({ ...ABOUT, way: 'nginx' }, costs(205, 1, 60), references);
const envoy = lineOf({ ...ABOUT, way: 'Envoy' }, costs(210, 1, 90), references);
const straight = lineOf({ ...ABOUT, way: 'straight' }, direct, references);
const ours = (us: number, spread: number) =>
  lineOf({ ...ABOUT, way: 'graylane', isOurs: true }, costs(us, spread), references);

describe('what the best proxy adds beside what the library adds', () => {
  it('adds the processor time of the proxy to that of its client', () => {
    expect(nginx.addedCpuUs.median).toBe(65);
    expect(nginx.addedP50Us.median).toBe(5);
    expect(nginx.moreThanOursUs.median).toBe(60);
  });

  it('is a ratio where both can be told from nothing', () => {
    const text = comparedWithBest([straight, ours(205, 1), envoy, nginx], 'addedCpuUs');
    expect(text).toMatch(
      /^the best proxy, nginx, adds 65\.0 us .*graylane adds 5\.0 us .*: 13\.0 x, so the proxy adds at least 1[0-9]\.[0-9] x/,
    );
  });

  it('is no ratio where ours cannot: then a bound', () => {
    const text = comparedWithBest([straight, ours(201, 20), nginx], 'addedCpuUs');
    expect(text).toContain('graylane is within noise (1.0 us; 95 %: ');
    expect(text).toMatch(/at most [0-9.]+ us, so the proxy adds at least [0-9.]+ x as much$/);
    expect(text).not.toContain('65.0 x');
  });

  it('says so where ours costs less than nothing', () => {
    expect(comparedWithBest([straight, ours(190, 1), nginx], 'addedCpuUs')).toMatch(
      /graylane adds nothing that can be seen \(95 %: -.* \.\. -.*\)$/,
    );
  });

  it('is nothing without a proxy', () => {
    expect(comparedWithBest([straight, ours(205, 1)], 'addedCpuUs')).toBeUndefined();
  });
});
