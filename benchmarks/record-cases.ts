import { systemClock } from '../src/base/clock';
import { systemRandom } from '../src/base/random';
import { AttemptLink } from '../src/client/balancer/attempts/attempt-link';
import type { Connection } from '../src/client/balancer/endpoints/endpoint';
import type { PickContext, PoolPicker } from '../src/client/balancer/pickers/pool-picker';
import type { Breaker } from '../src/client/breaker/breaker';
import type { Outcome } from '../src/client/breaker/outcome';
import { FailureShares, MethodShares, peerOutcomeOf } from '../src/client/breaker/outlier/failure-shares';
import { BreakerRegistry } from '../src/client/breaker/registry';
import { compilePolicy } from '../src/policy/compile';
import type { SubsetPlan } from '../src/policy/plan';
import type { BenchmarkCase } from './harness';

/** Between one record and the next, so that windows rotate as they do under 10,000 calls a second. */
const STEP_MS = 0.1;
const CALIBRATION_STEPS = 100;
/** They count failures and stay closed: an open breaker has nothing to record. */
const NEVER_OPENS = { volumeThreshold: 1_000_000, consecutiveFailures: 0, silentFailures: 0 };

/** The loop whose time stands beside the bars in nanoseconds: what this machine makes of simple arithmetic. */
export const CALIBRATION = `calibration: ${CALIBRATION_STEPS} steps of xorshift`;

/** What ends an attempt: its outcome goes into the breakers of its endpoint and its subset, and beside those of its peers. */
export function recordCases(): BenchmarkCase[] {
  const group = 'record of one attempt into both breakers';
  return [
    { group, name: CALIBRATION, run: calibration },
    { group, name: 'success', run: recordRunner(createBreakers(), () => 'success') },
    { group, name: 'failure', run: recordRunner(createBreakers(), () => 'failure') },
    { group, name: '1 failure in 100', run: recordRunner(createBreakers(), oneFailureIn(100)) },
  ];
}

/** Pick and record, apart and one after the other, with what the load of the endpoint keeps of an attempt. */
export function pickAndRecordCases(picker: PoolPicker, size: number): BenchmarkCase[] {
  const group = `pick and record, peak_ewma, ${size.toLocaleString('en')} endpoints`;
  const context: PickContext = { random: systemRandom, hash: -1, tried: undefined };
  const { subset } = createBreakers();
  return [
    { group, name: 'pick', run: (count) => pickOnly(picker, context, count) },
    { group, name: 'record', run: recordRunner(createBreakers(), () => 'success') },
    { group, name: 'pick, load and record', run: (count) => pickAndRecord(picker, context, subset, count) },
  ];
}

interface Breakers {
  readonly endpoint: Breaker;
  readonly subset: Breaker;
}

function createBreakers(): Breakers {
  const registry = new BreakerRegistry({ clock: systemClock, random: systemRandom, service: 'payments' });
  const content = {
    schema: 1,
    service: 'payments',
    subsets: { stable: {} },
    breaker: NEVER_OPENS,
    subsetBreaker: { volumeThreshold: NEVER_OPENS.volumeThreshold },
  };
  const plan = compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
  const subset = plan.subsets.get('stable') as SubsetPlan;
  return { endpoint: registry.failed('dc1/10.0.0.1:9000', subset.breaker), subset: registry.forSubset(subset, 'dc1') };
}

function recordRunner({ endpoint, subset }: Breakers, outcomeAt: (index: number) => Outcome) {
  let nowMs = systemClock.now();
  const shares = new FailureShares();
  const usual = new MethodShares();
  return (count: number): unknown => {
    for (let index = 0; index < count; index += 1) {
      nowMs += STEP_MS;
      const outcome = outcomeAt(index);
      const peerOutcome = peerOutcomeOf(outcome, outcome === 'success' ? 0 : 14);
      if (shares.record(peerOutcome, usual, -1, nowMs)) usual.ended(peerOutcome);
      endpoint.record(endpoint.begin(nowMs), outcome, nowMs, 1, 'as told');
      subset.record(subset.begin(nowMs), outcome, nowMs, 1, 'as told');
    }
    return endpoint.state;
  };
}

function oneFailureIn(many: number): (index: number) => Outcome {
  return (index) => (index % many === 0 ? 'failure' : 'success');
}

function pickOnly(picker: PoolPicker, context: PickContext, count: number): unknown {
  let last: unknown;
  for (let index = 0; index < count; index += 1) last = picker.pick(context);
  return last;
}

let pickedAtMs = systemClock.now();

function pickAndRecord(picker: PoolPicker, context: PickContext, subset: Breaker, count: number): unknown {
  const attempt = new AttemptLink();
  let last: Connection | undefined;
  for (let index = 0; index < count; index += 1) {
    pickedAtMs += STEP_MS;
    last = picker.pick(context) as Connection;
    const { breaker, load } = last.endpoint;
    load.picked(false);
    load.attemptStarted(attempt, pickedAtMs);
    const permit = breaker?.begin(pickedAtMs) ?? 0;
    const subsetPermit = subset.begin(pickedAtMs);
    breaker?.record(permit, 'success', pickedAtMs, 1);
    subset.record(subsetPermit, 'success', pickedAtMs, 1);
    load.attemptEnded(attempt, pickedAtMs + 1, 'success');
  }
  return last;
}

function calibration(count: number): unknown {
  let state = 0x9e3779b9;
  for (let index = 0; index < count * CALIBRATION_STEPS; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state;
}
