import { type experimental, Metadata } from '@grpc/grpc-js';
import { systemClock } from '../src/base/clock';
import { systemRandom } from '../src/base/random';
import { TrialCount } from '../src/client/candidate/trial-count';
import { CallState } from '../src/client/grpc/call-state';
import { compilePolicy } from '../src/policy/compile';
import { membershipOf } from '../src/policy/membership/membership';
import type { Plan } from '../src/policy/plan';
import { decide } from '../src/policy/routing/decide';
import { grpcPicker } from './grpc-pickers';
import type { BenchmarkCase } from './harness';

const METHOD = '/shop.v1.Payments/Charge';
const CALLERS = 1_024;
/** Another value for each caller; it has to be looked at, and does not match. */
const REGEX = { 'x-user-id': { regex: 'u-[0-9]+x|test-.*' } };
const ENVIRONMENT = { random: systemRandom, clock: systemClock };

/**
 * One decision by the last of so many routes, so that all are looked at: labels out of grpc-js' own Metadata, then a split
 * that sticks by the user. What ratios refer to is one pick of grpc-js, which is what a call costs there.
 */
export function decisionCases(routeCounts: readonly number[]): BenchmarkCase[] {
  const group = 'one decision, sticky split in the last route';
  const metadata = Array.from({ length: CALLERS }, (_, index) => metadataOf(index));
  return [
    { group, name: 'grpc-js round_robin, one pick', run: pickRunner(grpcPicker('round_robin', 10)) },
    ...routeCounts.map((count) => ({
      group,
      name: `${count.toLocaleString('en')} route${count === 1 ? '' : 's'}`,
      run: decisionRunner(planOf(count), metadata),
    })),
    { group, name: '20 routes, one by a regular expression', run: decisionRunner(planOf(20, REGEX), metadata) },
    { group, name: ON_TRIAL, run: trialRunner(planOf(20), planOf(20, undefined, 25), metadata) },
  ];
}

/** What a call costs more while a policy is on trial: the difference to `20 routes`. */
export const ON_TRIAL = '20 routes, and another policy on trial';

function metadataOf(index: number): Metadata {
  const metadata = new Metadata();
  metadata.set('x-user-id', `u-${index}`);
  metadata.set('x-tier', 'standard');
  metadata.set('user-agent', 'benchmark');
  return metadata;
}

function planOf(routes: number, first: object = { 'x-tier': 'tier-0' }, canary = 5): Plan {
  const testers = Array.from({ length: routes - 1 }, (_, index) => ({
    name: `tier-${index}`,
    match: { labels: index === 0 ? first : { 'x-tier': `tier-${index}` } },
    to: 'canary',
  }));
  const split = [
    { to: 'stable', weight: 100 - canary },
    { to: 'canary', weight: canary },
  ];
  const content = {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    routes: [...testers, { name: 'everyone', split, stickBy: 'x-user-id' }],
  };
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
}

function decisionRunner(plan: Plan, metadata: readonly Metadata[]): (count: number) => unknown {
  // As in a call, which reads its labels itself and takes the outcome.
  const call = new CallState(METHOD, undefined, undefined);
  return (count) => {
    let last: unknown;
    for (let index = 0; index < count; index += 1) {
      call.readLabelsFrom(metadata[index % CALLERS] as Metadata, undefined);
      last = decide(plan, call, call, ENVIRONMENT);
    }
    return last;
  };
}

/** Each decision is taken a second time under the other plan, and counted: flows, and callers by a sketch. */
function trialRunner(now: Plan, then: Plan, metadata: readonly Metadata[]): (count: number) => unknown {
  const instances = { version: 1, datacenters: [] };
  const snapshot = { version: 1, service: 'payments', plan: now, observed: undefined, instances, refusal: undefined };
  const trial = { plan: then, membership: membershipOf(then, instances) };
  const sides = { snapshot, trial, why: () => ({ state: 'waiting' }) as const };
  const counted = new TrialCount({ key: 'benchmark' }, sides, () => () => {}, ENVIRONMENT);
  const call = new CallState(METHOD, undefined, undefined);
  return (count) => {
    for (let index = 0; index < count; index += 1) {
      call.readLabelsFrom(metadata[index % CALLERS] as Metadata, undefined);
      counted.decided(decide(now, call, call, ENVIRONMENT), call);
    }
    return counted;
  };
}

function pickRunner(picker: experimental.Picker): (count: number) => unknown {
  const args = { metadata: new Metadata(), extraPickInfo: {} };
  return (count) => {
    let last: unknown;
    for (let index = 0; index < count; index += 1) last = picker.pick(args);
    return last;
  };
}
