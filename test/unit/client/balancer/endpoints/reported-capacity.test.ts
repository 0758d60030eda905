import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { balanceCapacities, readLoadReport } from '../../../../../src/client/balancer/endpoints/reported-capacity';
import { endpointAt } from '../connections';

/** grpc-js' own, as its servers send it. */
const { PerRequestMetricRecorder } = createRequire(__filename)('@grpc/grpc-js/build/src/orca.js') as {
  PerRequestMetricRecorder: new () => Recorder;
};
interface Recorder {
  recordCPUUtilizationMetric(value: number): void;
  recordMemoryUtilizationMetric(value: number): void;
  recordApplicationUtilizationMetric(value: number): void;
  recordQpsMetric(value: number): void;
  recordEpsMetric(value: number): void;
  recordRequestCostMetric(name: string, value: number): void;
  serialize(): Buffer;
}

function reportOf(fill: (recorder: Recorder) => void): Buffer {
  const recorder = new PerRequestMetricRecorder();
  fill(recorder);
  return recorder.serialize();
}

const whole = reportOf((recorder) => {
  recorder.recordRequestCostMetric('rows', 12.5);
  recorder.recordCPUUtilizationMetric(0.4);
  recorder.recordMemoryUtilizationMetric(0.9);
  recorder.recordApplicationUtilizationMetric(1.2);
  recorder.recordQpsMetric(300);
  recorder.recordEpsMetric(6);
});

describe('a load report', () => {
  it('is read as grpc-js writes it', () => {
    expect(readLoadReport(whole)).toEqual({
      applicationUtilization: 1.2,
      cpuUtilization: 0.4,
      callsPerSecond: 300,
      errorsPerSecond: 6,
    });
    expect(readLoadReport(Buffer.alloc(0))?.callsPerSecond).toBe(0);
  });

  it('that is cut off, or noise, is none, and never throws', () => {
    for (const length of whole.keys()) {
      const cut = readLoadReport(whole.subarray(0, length));
      if (cut !== undefined) expect(cut.callsPerSecond).toBeGreaterThanOrEqual(0);
    }
    expect(readLoadReport(whole.subarray(0, whole.length - 1))).toBeUndefined();
    const random = seededRandom(1);
    for (let time = 0; time < 10_000; time += 1) {
      const noise = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
      const read = readLoadReport(noise);
      if (read === undefined) continue;
      for (const value of Object.values(read)) expect(Number.isFinite(value) && value >= 0).toBe(true);
    }
  });
});

describe('weights by what servers report', () => {
  const report = (callsPerSecond: number, utilization: number, errorsPerSecond = 0) => ({
    applicationUtilization: utilization,
    cpuUtilization: 1,
    callsPerSecond,
    errorsPerSecond,
  });
  type Report = ReturnType<typeof report> | undefined;

  /** For so long each endpoint reports the same every 100 ms. */
  function reported(reports: readonly Report[], forMs: number, weights: readonly number[] = []): number[] {
    const endpoints = reports.map((_, index) => endpointAt(index, weights[index] ?? 1));
    for (let nowMs = 0; nowMs <= forMs; nowMs += 100) {
      for (const [index, { load }] of endpoints.entries()) {
        if (nowMs >= load.capacity.dueAtMs) load.capacity.looked(reports[index], nowMs);
      }
      if (nowMs % 1_000 === 0) balanceCapacities(endpoints, nowMs);
    }
    return endpoints.map(({ load, instance }) => instance.weight * load.capacity.factor);
  }

  it('are in proportion to calls a second by utilization', () => {
    const [a = 0, b = 0] = reported([report(100, 0.8), report(100, 0.4)], 12_000);
    expect(b / a).toBeCloseTo(2);
  });

  it('are the same whatever weights discovery gave', () => {
    const [a = 0, b = 0] = reported([report(100, 0.8), report(100, 0.4)], 12_000, [3, 1]);
    expect(b / a).toBeCloseTo(2);
  });

  it('count errors against a server', () => {
    const [a = 0, b = 0] = reported([report(100, 0.5), report(100, 0.5, 50)], 12_000);
    expect(a / b).toBeCloseTo(2);
  });

  it.each<[string, Report[]]>([
    ['nobody else reports', [report(100, 0.8), undefined]],
    ['servers are idle', [report(1, 0.01), report(50, 0.05)]],
    ['calls a second are missing', [report(0, 0.8), report(0, 0.2)]],
    ['they are nearly alike', [report(100, 0.5), report(100, 0.54)]],
  ])('stay where %s', (_why, reports) => {
    expect(reported(reports, 20_000)).toEqual(reports.map(() => 1));
  });

  it('begin to count after ten seconds, and have bounds', () => {
    const reports = [report(10_000, 0.2), ...Array.from({ length: 9 }, () => report(100, 0.9))];
    expect(reported(reports, 9_000)).toEqual(reports.map(() => 1));
    expect(Math.max(...reported(reports, 12_000))).toBe(4);
    expect(Math.min(...reported(reports, 12_000))).toBe(0.25);
  });

  it('are forgotten when reports stop', () => {
    const endpoints = [endpointAt(0), endpointAt(1)];
    for (let nowMs = 0; nowMs <= 12_000; nowMs += 100) {
      endpoints[0]?.load.capacity.looked(report(100, 0.8), nowMs);
      endpoints[1]?.load.capacity.looked(report(100, 0.4), nowMs);
    }
    expect(balanceCapacities(endpoints, 12_000)).toBe(true);
    expect(balanceCapacities(endpoints, 200_000)).toBe(true);
    expect(endpoints.map(({ load }) => load.capacity.factor)).toEqual([1, 1]);
  });
});
