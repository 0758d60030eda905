/**
 * A short run that fails when a cost has changed its kind: a pick that looks at every endpoint, one that allocates, a decision
 * that is linear in its routes. Only ratios within the run, with room for a busy machine; figures are for `npm run bench`.
 *
 *     node --expose-gc --import tsx benchmarks/guard.ts
 */
import { CONTEXT_CASE, CONTEXT_GROUP } from './context-cases';
import { ON_TRIAL } from './decision';
import type { Measurement } from './harness';
import { CALIBRATION } from './record-cases';
import { runSuite, SHORT } from './suite';

interface Bar {
  readonly what: string;
  readonly value: number;
  readonly below: number;
}

function barsOf(measurements: readonly Measurement[]): readonly Bar[] {
  const at = (group: string, name: string): Measurement => {
    const found = measurements.find((one) => one.group.includes(group) && one.name === name);
    if (found === undefined) throw new Error(`${group}, ${name}: not measured`);
    return found;
  };
  const ten = 'pick of 10 endpoints';
  const thousand = 'pick of 1,000 endpoints';
  const most = 'pick of 10,000 endpoints';
  // The tenth percentile: what it costs when nobody disturbs.
  const ratio = (a: Measurement, b: Measurement): number => a.nsLow / b.nsLow;
  const weighted = at(thousand, 'grpc-js weighted_round_robin');
  const oneRoute = at('decision', '1 route');
  const path = "call's way";
  const record = 'record of one attempt';
  const steps = at(record, CALIBRATION);
  return [
    {
      what: 'peak_ewma by weighted_round_robin of grpc-js, 1,000 endpoints',
      value: ratio(at(thousand, 'peak_ewma'), weighted),
      below: 0.5,
    },
    {
      what: 'round_robin by weighted_round_robin of grpc-js, unequal weights, 1,000 endpoints',
      value: ratio(at(thousand, 'round_robin, unequal weights'), weighted),
      below: 1,
    },
    {
      what: 'peak_ewma in three zones by peak_ewma, 1,000 endpoints',
      value: ratio(at(thousand, 'peak_ewma, three zones'), at(thousand, 'peak_ewma')),
      below: 3,
    },
    // Linear would be 1,000.
    {
      what: 'peak_ewma, 10,000 endpoints by 10',
      value: ratio(at(most, 'peak_ewma'), at(ten, 'peak_ewma')),
      below: 60,
    },
    { what: 'ring_hash, 10,000 endpoints by 10', value: ratio(at(most, 'ring_hash'), at(ten, 'ring_hash')), below: 60 },
    // Found by their values it is about 1.3; looked at one by one it would be 130.
    { what: 'decision, 1,000 routes by 1', value: ratio(at('decision', '1,000 routes'), oneRoute), below: 5 },
    {
      what: 'decision over 20 routes by one pick of grpc-js round_robin',
      value: ratio(at('decision', '20 routes'), at('decision', 'grpc-js round_robin, one pick')),
      below: 300,
    },
    // About 3 once it is compiled, which little of it is in so short a run.
    {
      what: 'decision with a policy on trial by one without',
      value: ratio(at('decision', ON_TRIAL), at('decision', '20 routes')),
      below: 40,
    },
    {
      what: "a call's way by that of grpc-js round_robin",
      value: ratio(at(path, 'graylane: decide, pick, account'), at(path, 'grpc-js round_robin')),
      below: 500,
    },
    // About 4 and 50; what they grow by if each attempt makes an Error, or sums all windows, is more than that.
    { what: 'record of a success by 100 steps of xorshift', value: ratio(at(record, 'success'), steps), below: 30 },
    { what: 'record of a failure by 100 steps of xorshift', value: ratio(at(record, 'failure'), steps), below: 300 },
    // About 1; by `AsyncLocalStorage.snapshot()` it is 60 or more.
    {
      what: "the caller's context for three callbacks by 100 steps of xorshift",
      value: ratio(at(CONTEXT_GROUP, CONTEXT_CASE), steps),
      below: 15,
    },
    { what: 'bytes a pick, peak_ewma', value: at(thousand, 'peak_ewma').bytes ?? Number.NaN, below: 8 },
    { what: 'bytes a pick, three zones', value: at(thousand, 'peak_ewma, three zones').bytes ?? Number.NaN, below: 8 },
    { what: 'bytes a pick, round_robin', value: at(thousand, 'round_robin').bytes ?? Number.NaN, below: 8 },
    {
      what: 'bytes a decision with a policy on trial',
      value: at('decision', ON_TRIAL).bytes ?? Number.NaN,
      below: 1_200,
    },
    { what: 'bytes a decision over 20 routes', value: at('decision', '20 routes').bytes ?? Number.NaN, below: 600 },
  ];
}

async function main(): Promise<void> {
  const bars = barsOf(await runSuite(SHORT));
  // NaN is no measurement, and passes no bar.
  const failed = bars.filter(({ value, below }) => !(value < below));
  for (const bar of bars) {
    const verdict = failed.includes(bar) ? 'FAILED' : 'ok';
    console.log(`${verdict.padEnd(7)}${bar.what}: ${bar.value.toFixed(2)} (expected: < ${bar.below})`);
  }
  if (failed.length > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
