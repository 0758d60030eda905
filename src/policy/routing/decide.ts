import { BUCKETS, hash32 } from '../../base/hash';
import { DEFAULT_RETRY } from '../defaults';
import { findDestination } from '../destinations';
import { hashLabelOf } from '../hash-labels';
import type {
  Decision,
  Destination,
  FaultPlan,
  ForceSelector,
  HashPolicy,
  OverridePlan,
  Plan,
  RetryPlan,
  SplitEntryPlan,
} from '../plan';
import type { Labels, RouteMiss, RoutingEnvironment, RoutingInput, RoutingOutcome, RoutingRecorder } from './call';
import {
  type ConditionStep,
  type MatchStep,
  matchesMethod,
  programOf,
  type RouteStep,
  type RoutingProgram,
} from './program';

/** Seed of the ring's hash. As fixed as the hash itself. */
const RING_SEED = 0;

/**
 * Decides where one call goes: `force`, then an override that is in force, then the call's lane, then the first route
 * that matches, then the plan's default. Called once a call, by the ConfigSelector; the call's attempts share the
 * decision. Synchronous, and allocates nothing unless `force` is given, subsets hash by labels of their own, or a fault
 * concerns the call. `outcome` is overwritten.
 */
export function decide(
  plan: Plan,
  input: RoutingInput,
  outcome: RoutingOutcome,
  env: RoutingEnvironment,
  recorder?: RoutingRecorder,
): Decision {
  const program = programOf(plan);
  program.begin(input.labels);
  outcome.sticky = false;
  outcome.bucket = -1;
  outcome.hashes = undefined;
  outcome.faults = undefined;
  outcome.hash = hashOf(program.hashSlot, program);

  const override = overrideInForce(plan, env, recorder);
  let decision: Decision;
  if (override !== undefined && !override.datacenterOnly) {
    decision = override.decision;
  } else {
    const { lanes } = env;
    const ofLane = lanes?.plan === plan ? lanes.find(input.labels, env.clock) : undefined;
    if (ofLane !== undefined) recorder?.laneDecided();
    decision = ofLane ?? decideByRoutes(program, plan, input, outcome, env, recorder);
    if (override !== undefined) decision = heldToDatacenter(decision, override);
  }
  if (decision.hashPolicies !== undefined) {
    outcome.hash = hashByPolicies(decision.hashPolicies, program);
  }
  if (input.force !== undefined) decision = applyForce(input.force, decision, outcome);
  if (program.hashSlots !== undefined) hashForSubsets(program.hashSlots, decision, outcome, program);
  // The emergency switch is no time for drills.
  if (plan.faults !== undefined && override === undefined) {
    outcome.faults = faultsFor(decision, input.method, program, env.clock.wallNow());
  }
  program.end();
  return decision;
}

/** Those in force whose match holds, and the route's own. A call that none concerns has no list. */
function faultsFor(
  { fault: own }: Decision,
  method: string,
  program: RoutingProgram,
  wallNowMs: number,
): readonly FaultPlan[] | undefined {
  let found: FaultPlan[] | undefined;
  for (const step of program.faults) {
    const { fault } = step;
    if (wallNowMs >= fault.untilMs || !matchesMethod(step, method) || missOf(step, program) !== undefined) continue;
    found ??= [];
    found.push(fault);
  }
  if (own === undefined || wallNowMs >= own.untilMs) return found;
  return [...(found ?? []), own];
}

/** Where the label in `slot` places the call on a ring; -1 without it. */
function hashOf(slot: number, program: RoutingProgram): number {
  return ringHash(program.read(slot));
}

function ringHash(value: string | undefined): number {
  return value === undefined ? -1 : hash32(value, RING_SEED) >>> 0;
}

/** Where a call is placed on the ring of this subset; -1 without its label. For copies, whose subset was not decided. */
export function hashFor(plan: Plan, subset: string, labels: Labels): number {
  const key = hashLabelOf(plan, subset);
  return key === undefined ? -1 : ringHash(labels.get(key));
}

/** Its subset and each that may stand in for it go by the label of their own. */
function hashForSubsets(
  slots: ReadonlyMap<string, number>,
  { destination: { chain } }: Decision,
  outcome: RoutingOutcome,
  program: RoutingProgram,
): void {
  const hashes = chain.map((subset) => hashOf(slots.get(subset) ?? program.hashSlot, program));
  outcome.hash = hashes[0] ?? -1;
  outcome.hashes = hashes;
}

function overrideInForce(
  plan: Plan,
  env: RoutingEnvironment,
  recorder: RoutingRecorder | undefined,
): OverridePlan | undefined {
  const { override } = plan;
  if (override === undefined) return undefined;
  const isInForce = override.untilMs === Number.POSITIVE_INFINITY || env.clock.wallNow() < override.untilMs;
  recorder?.overrideSeen(override, isInForce);
  return isInForce ? override : undefined;
}

function decideByRoutes(
  program: RoutingProgram,
  plan: Plan,
  input: RoutingInput,
  outcome: RoutingOutcome,
  env: RoutingEnvironment,
  recorder: RoutingRecorder | undefined,
): Decision {
  const candidates = program.candidates(input.method);
  // Who records wants to hear of every route, also of those that the index passes over.
  if (recorder !== undefined) {
    for (const step of candidates.all) {
      const miss = missOf(step, program);
      recorder.routeSeen(step.route, miss);
      if (miss === undefined) return chooseEntry(step, program, input, outcome, env) ?? plan.fallthrough;
    }
    return plan.fallthrough;
  }
  candidates.start(program);
  for (let step = candidates.next(); step !== undefined; step = candidates.next()) {
    if (missOf(step, program) === undefined) {
      return chooseEntry(step, program, input, outcome, env) ?? plan.fallthrough;
    }
  }
  return plan.fallthrough;
}

/** The first condition that the call does not meet. Methods have been looked at before. */
function missOf(step: MatchStep, program: RoutingProgram): RouteMiss | undefined {
  const failed = firstFailed(step.labels, program);
  if (failed !== undefined) return failed;
  if (step.any.length > 0 && !holdsAny(step.any, program)) return 'any';
  const sample = step.match?.sample;
  if (sample === undefined) return undefined;
  const value = program.read(step.sampleSlot);
  return value !== undefined && sample.admits(value) ? undefined : sample;
}

function holdsAny(groups: readonly (readonly ConditionStep[])[], program: RoutingProgram): boolean {
  for (let index = 0; index < groups.length; index += 1) {
    const group = groups[index];
    if (group !== undefined && firstFailed(group, program) === undefined) return true;
  }
  return false;
}

function firstFailed(
  conditions: readonly ConditionStep[],
  program: RoutingProgram,
): ConditionStep['condition'] | undefined {
  for (let index = 0; index < conditions.length; index += 1) {
    const step = conditions[index];
    if (step !== undefined && !step.condition.test(program.read(step.slot))) return step.condition;
  }
  return undefined;
}

function chooseEntry(
  step: RouteStep,
  program: RoutingProgram,
  input: RoutingInput,
  outcome: RoutingOutcome,
  env: RoutingEnvironment,
): Decision | undefined {
  const { split } = step.route;
  const { entries } = split;
  if (entries.length === 1) return entries[0]?.decision;
  const sticky = split.stickBy === undefined ? undefined : (input.stickyKey ?? program.read(step.stickSlot));
  if (sticky !== undefined) {
    outcome.sticky = true;
    if (!split.isBucketed) return entries[split.entryOfValue(sticky)]?.decision;
  }
  outcome.bucket = sticky === undefined ? Math.floor(env.random() * BUCKETS) : split.bucketOf(sticky);
  return entries[entryOfBucket(entries, outcome.bucket)]?.decision;
}

/** Index of the entry that a bucket belongs to: one that is drawn, or that of a sticky value. */
export function entryOfBucket(entries: readonly SplitEntryPlan[], bucket: number): number {
  for (let index = 0; index < entries.length; index += 1) {
    const { buckets, end } = entries[index] as SplitEntryPlan;
    if (bucket < end && bucket >= end - buckets) return index;
  }
  return 0;
}

/** Each policy that yields something turns the hash so far and mixes its own in, as Envoy does. -1: none did. */
function hashByPolicies(policies: readonly HashPolicy[], program: RoutingProgram): number {
  let hash = -1;
  for (let index = 0; index < policies.length; index += 1) {
    const policy = policies[index];
    if (policy === undefined) break;
    const value = policy.key === undefined ? policy.constant : program.read(program.slotOf(policy.key));
    if (value !== undefined) {
      const own = ringHash(value);
      hash = hash < 0 ? own : (((hash << 1) | (hash >>> 31)) ^ own) >>> 0;
    }
    if (hash >= 0 && policy.isTerminal) break;
  }
  return hash;
}

const held = new WeakMap<Decision, Decision>();

/** The same decision within the override's datacenter; made once, since a decision belongs to one plan. */
function heldToDatacenter(decision: Decision, override: OverridePlan): Decision {
  const known = held.get(decision);
  if (known !== undefined) return known;
  const made: Decision = Object.freeze({ ...decision, datacenters: override.decision.datacenters });
  held.set(decision, made);
  return made;
}

/**
 * Bends a decision to what the caller asked for. `routed` is what would have been decided without it: its timeout and
 * retries stay, and so does its destination unless a subset was named.
 *
 * - A subset goes to that subset: alone when strict (the default), with its fallbacks otherwise.
 * - A strict subset that the plan does not know yields a destination with index -1 and no instance: the balancer fails
 *   the call and names the force.
 * - `datacenter` under strict becomes the only datacenter.
 * - `endpoint` and `instance`, and `datacenter` without strict, are looked for by the balancer, through
 *   `decision.force` and whatever `datacenters` says; without strict the rest of the decision serves when they cannot
 *   be had.
 * - A subset that is unknown without strict is as if nothing had been asked for.
 */
function applyForce(force: ForceSelector, routed: Decision, outcome: RoutingOutcome): Decision {
  const { subset, datacenter, endpoint, instance } = force;
  if (subset === undefined && datacenter === undefined && endpoint === undefined && instance === undefined) {
    return routed;
  }
  const strict = force.strict ?? true;
  let destination = routed.destination;
  if (subset !== undefined) {
    const found = findDestination(routed.plan.destinations, subset, strict);
    if (found === undefined && !strict) return routed;
    destination = found ?? unknownDestination(subset);
    outcome.sticky = false;
    outcome.bucket = -1;
  }
  // Force beats the override, so a datacenter that the override names does not hold a strict one.
  const strictDatacenters = datacenter === undefined ? undefined : [datacenter];
  const { lane, ...rest } = routed;
  const isInLane = lane !== undefined && subset === undefined && endpoint === undefined && instance === undefined;
  return Object.freeze({
    ...rest,
    ...(isInLane && { lane }),
    by: 'force',
    route: 'force',
    destination,
    datacenters: strict ? strictDatacenters : routed.datacenters,
    force,
    // Whoever forces a call tries something out: it is nobody's sample.
    ...(routed.mirror !== undefined && { mirror: undefined }),
  });
}

function unknownDestination(subset: string): Destination {
  return { index: -1, subset, strict: true, chain: [subset] };
}

/**
 * How a call may run again, by the word of its owner; undefined: at most once. `isIdempotent`: the method's definition
 * says so, by its `idempotency_level`. `channel`: what the channel's own service config says; the policy's word goes
 * before it. What no server can have seen is tried elsewhere in any case.
 */
export function retryOf(
  decision: Decision,
  method: string,
  isIdempotent: boolean,
  channel?: RetryPlan,
): RetryPlan | undefined {
  const { retry, hedging, plan } = decision;
  if (hedging !== undefined) return undefined;
  if (retry !== undefined) return retry === 'off' || retry.maxAttempts < 2 ? undefined : retry;
  if (channel !== undefined) return channel;
  return isIdempotent || plan.idempotent?.has(method) === true ? DEFAULT_RETRY : undefined;
}

/** The same in words: `at most once: ...` or `up to 3 attempts, again after UNAVAILABLE: ...`. */
export function describeRetry(decision: Decision, method: string, isIdempotent: boolean): string {
  const { retry, hedging } = decision;
  if (hedging !== undefined) return `up to ${hedging.maxAttempts} attempts side by side: hedging in the policy`;
  const plan = retryOf(decision, method, isIdempotent);
  if (plan === undefined)
    return `at most once: ${retry === undefined ? 'nothing says that it may run again' : 'retry off'}`;
  const idempotent = isIdempotent ? "the method's idempotency_level" : 'idempotent in the policy';
  const because = retry === undefined ? idempotent : 'retry in the policy';
  return `up to ${plan.maxAttempts} attempts, again after ${plan.retryableStatusCodes.join(', ')}: ${because}`;
}
