/**
 * What lanes cost a decision: calls in a lane, in one that nobody is in, and without the label, a third of each in no
 * order, then each alone, with 200 and 1,000 lanes, beside the same policy without lanes and the same calls. All in one
 * process, one batch of each in every round.
 *
 *     npm run bench -- lanes [--short]
 */
import { Metadata } from '@grpc/grpc-js';
import { systemClock } from '../src/base/clock';
import type { Instance } from '../src/base/instances';
import { seededRandom, systemRandom } from '../src/base/random';
import { CallState } from '../src/client/grpc/call-state';
import { compilePolicy } from '../src/policy/compile';
import { membershipOf } from '../src/policy/membership/membership';
import type { InstanceSet } from '../src/policy/membership/snapshot';
import type { Plan } from '../src/policy/plan';
import { decide } from '../src/policy/routing/decide';
import { type BenchmarkCase, measure } from './harness';

const METHOD = '/shop.v1.Payments/Charge';
const CALLERS = 1_024;
const LANES: readonly number[] = [200, 1_000];
const PER_LANE = 3;

function main(): void {
  const group = 'one decision, sticky split';
  const inLanes = metadataOf((index) => laneName(index % 200));
  // Of the same kind as those that there are.
  const unknown = metadataOf((index) => laneName(1_000 + index));
  const without = metadataOf(() => undefined);
  const random = seededRandom(1);
  const mixed = inLanes.map((each, index) => [each, unknown[index], without[index]][Math.floor(random() * 3)] ?? each);
  const cases: BenchmarkCase[] = [
    { group, name: 'no lanes, all kinds', run: runner(planOf(false), 0, mixed) },
    ...LANES.flatMap((count) => [
      { group, name: `${count} lanes, all kinds`, run: runner(planOf(true), count, mixed) },
    ]),
    { group, name: 'no lanes', run: runner(planOf(false), 0, inLanes) },
    ...LANES.flatMap((count) => [
      { group, name: `${count} lanes, call in a lane`, run: runner(planOf(true), count, inLanes) },
      { group, name: `${count} lanes, lane of nobody`, run: runner(planOf(true), count, unknown) },
      { group, name: `${count} lanes, call without one`, run: runner(planOf(true), count, without) },
    ]),
  ];
  // The first to be measured pays for what is compiled then.
  measure(cases, { rounds: 200, batchMs: 2 });
  // Short batches, many of them: some of each case have the processor for themselves, however busy the machine is.
  const measured = measure(cases, { rounds: process.argv.includes('--short') ? 200 : 1_500, batchMs: 0.5 });
  // The tenth percentile: what it costs when nobody disturbs.
  let none = Number.NaN;
  for (const { name, nsLow, bytes } of measured) {
    if (name.startsWith('no lanes')) none = nsLow;
    const figures = `${nsLow.toFixed(0).padStart(6)} ns  x ${(nsLow / none).toFixed(2)}  ${bytes?.toFixed(0) ?? '?'} B`;
    console.log(`${name.padEnd(32)} ${figures}`);
  }
  for (const count of LANES) {
    const joinMs = (hasLanes: boolean): number => {
      const [plan, sets] = [planOf(hasLanes), Array.from({ length: 9 }, () => instancesOf(count))];
      const times = sets.map((set) => {
        const began = performance.now();
        membershipOf(plan, set);
        return performance.now() - began;
      });
      return Math.min(...times);
    };
    const [alone, within] = [joinMs(false), joinMs(true)];
    const what = `join of ${count * PER_LANE} instances`;
    console.log(`${what}: ${alone.toFixed(1)} ms without lanes, ${within.toFixed(1)} ms in ${count} lanes`);
  }
}

/** Numbers of pull requests, as if some of them had a lane: each once, in no order. */
function laneName(index: number): string {
  return `pr-${(7_919 * index) % 10_007}`;
}

function planOf(hasLanes: boolean): Plan {
  const split = [
    { to: 'stable', weight: 95 },
    { to: 'canary', weight: 5 },
  ];
  const content = {
    ...{ schema: 1, service: 'payments', default: 'stable' },
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    routes: [{ name: 'everyone', split, stickBy: 'x-user-id' }],
    ...(hasLanes && { lanes: { by: 'x-lane' } }),
  };
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
}

function metadataOf(laneOf: (index: number) => string | undefined): readonly Metadata[] {
  return Array.from({ length: CALLERS }, (_, index) => {
    const metadata = new Metadata();
    metadata.set('x-user-id', `u-${index}`);
    metadata.set('user-agent', 'benchmark');
    const lane = laneOf(index);
    if (lane !== undefined) metadata.set('x-lane', lane);
    return metadata;
  });
}

function instancesOf(lanes: number): InstanceSet {
  const instances = Array.from(
    { length: lanes * PER_LANE },
    (_, index): Instance => ({
      ...{ id: `i${index}`, key: `dc1/n/i${index}`, node: 'n', datacenter: 'dc1', zone: undefined },
      ...{ address: '10.0.0.1', port: 1_024 + index, tags: ['stable'], status: 'passing', weight: 1 },
      meta: { lane: laneName(index % lanes) },
    }),
  );
  const freshness = { kind: 'fresh' } as const;
  const dc1 = { datacenter: 'dc1', local: true, known: true, instances, rejected: 0, connectOnly: false };
  return { version: 1, datacenters: [{ ...dc1, filters: new Map(), freshness }] };
}

function runner(plan: Plan, lanes: number, metadata: readonly Metadata[]): (count: number) => unknown {
  const env = { random: systemRandom, clock: systemClock, lanes: membershipOf(plan, instancesOf(lanes)).lanes };
  const call = new CallState(METHOD, undefined, undefined);
  return (count) => {
    let last: unknown;
    for (let index = 0; index < count; index += 1) {
      call.readLabelsFrom(metadata[index % CALLERS] as Metadata, undefined);
      last = decide(plan, call, call, env);
    }
    return last;
  };
}

main();
