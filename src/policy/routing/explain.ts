import { defined } from '../../base/defined';
import { describeFault } from '../faults';
import { describeHeaderChanges } from '../header-changes';
import { type ExplainedLane, explainLane } from '../lanes/describe-lane';
import type {
  DecidedBy,
  FaultPlan,
  ForceSelector,
  OverridePlan,
  Plan,
  PlannedTier,
  RetryPlan,
  RoutePlan,
} from '../plan';
import type {
  CallKind,
  Labels,
  RouteMiss,
  RoutingEnvironment,
  RoutingInput,
  RoutingOutcome,
  RoutingRecorder,
} from './call';
import { decide, describeRetry } from './decide';
import { type ExplainedMirror, explainMirror } from './explain-mirror';
import { isFromCaller } from './program';

/**
 * Why a call would go where it would go, as plain JSON. It shows label values: give it to the person who asked, not to
 * logs.
 */
export interface RoutingExplanation {
  /** Consul service name. */
  readonly service: string;
  /** Revision of the policy. */
  readonly revision: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** What came of it. */
  readonly decision: ExplainedDecision;
  /** It went by a sticky value; false with a split means by chance, so that asking again may answer otherwise. */
  readonly sticky: boolean;
  /** 0..9999 where the split was drawn by bucket. */
  readonly bucket?: number;
  /** Where `hashBy` places the call on the ring. */
  readonly hash?: number;
  /** Labels that were looked at; null for one that the call does not have. */
  readonly labels: Readonly<Record<string, string | null>>;
  /** The emergency switch; undefined without one. */
  readonly override?: ExplainedOverride;
  /** What became of the lane that the call asks for; missing for one that asks for none. */
  readonly lane?: ExplainedLane;
  /** The faults that may hit its attempts, drawn for each; undefined without any. An override in force holds them off. */
  readonly faults?: readonly ExplainedFault[];
  /** All routes of the policy, in order. */
  readonly routes: readonly ExplainedRoute[];
}

/** What the policy says of the call. */
interface ExplainedDecision {
  /** What decided. */
  readonly by: DecidedBy;
  /** Name of the route; `default`, `lane`, `override` and `force` stand for themselves. */
  readonly route: string;
  /** The subset that was decided on. */
  readonly subset: string;
  /** The lane that it leads to. */
  readonly lane?: string;
  /** True: no fallback serves it. */
  readonly strict: boolean;
  /** The subset, then who may stand in for it. */
  readonly chain: readonly string[];
  /** The failover order, where the policy writes it out. */
  readonly tiers?: readonly PlannedTier[];
  /** Of each subset of `chain` its places in order, where the route says them; empty text: the local datacenter. */
  readonly places?: readonly (readonly string[] | undefined)[];
  /** Longest time for the call; the caller's own deadline may be shorter. */
  readonly timeoutMs?: number;
  /** Longest time for an attempt that may be followed by another. */
  readonly attemptTimeoutMs?: number | 'auto';
  /** As the policy says it; undefined: it says nothing, and only calls of idempotent methods may run again. */
  readonly retry?: RetryPlan | 'off';
  /** How often the call may run, and who says so. */
  readonly runs: string;
  /** What is changed in the metadata of each attempt: `set x-lane: blue`, `remove x-debug`. */
  readonly requestHeaders?: readonly string[];
  /** What is changed in the metadata that the caller receives. */
  readonly responseHeaders?: readonly string[];
  /** The only datacenters that it may go to; undefined: those of the client. */
  readonly datacenters?: readonly string[];
  /** What the call asked for beside the policy. */
  readonly force?: ForceSelector;
  /** Copies of the call; undefined: none are made. */
  readonly mirror?: ExplainedMirror;
}

/** The emergency switch, in the policy or in the environment. */
interface ExplainedOverride {
  /** False: it has ended. */
  readonly inForce: boolean;
  /** Where it is set. */
  readonly origin: 'policy' | 'environment';
  /** RFC 3339; missing for one that does not end by itself. */
  readonly until?: string;
  /** Who set it. */
  readonly by?: string;
  /** Why it was set. */
  readonly reason?: string;
}

/** A fault of the policy that concerns the call. */
interface ExplainedFault {
  /** Its name; of a route's `route NAME`. */
  readonly name: string;
  /** `10 % of attempts at canary fail with UNAVAILABLE`. */
  readonly effect: string;
  /** Share of attempts, in (0, 100]. */
  readonly percent: number;
  /** RFC 3339. */
  readonly until: string;
  /** Who set it. */
  readonly by?: string;
  /** Why it was set. */
  readonly reason?: string;
}

/** What a route made of the call. */
interface ExplainedRoute {
  /** Name of the route. */
  readonly name: string;
  /** `skipped`: not looked at, since the call had been decided before it. */
  readonly result: 'matched' | 'missed' | 'skipped';
  /** Of a route that missed: `x-tier: bronze (expected: in [vip, staff])`. */
  readonly reason?: string;
  /** Of the route that matched: its shares of calls, in percent. */
  readonly split?: readonly { readonly to: string; readonly percent: number }[];
}

/**
 * Decides as a call would be decided, by the same code, and tells what was looked at on the way. `isIdempotent`: the
 * definition of the method says so. `kind`: of the method, where it is known.
 */
export function explainRouting(
  plan: Plan,
  input: RoutingInput,
  env: RoutingEnvironment,
  isIdempotent: boolean = false,
  kind?: CallKind,
): RoutingExplanation {
  const seenLabels = new Map<string, string | null>();
  const labels: Labels = {
    get(key) {
      const value = input.labels.get(key);
      seenLabels.set(key, value ?? null);
      return value;
    },
  };
  const seenRoutes = new Map<RoutePlan, RouteMiss | undefined>();
  let override: ExplainedOverride | undefined;
  let isOverridden = false;
  let isByLane = false;
  const recorder: RoutingRecorder = {
    overrideSeen: (seen, isInForce) => {
      override = explainOverride(seen, isInForce);
      isOverridden = isInForce && !seen.datacenterOnly;
    },
    laneDecided: () => {
      isByLane = true;
    },
    routeSeen: (route, miss) => {
      seenRoutes.set(route, miss);
    },
  };
  const outcome: RoutingOutcome = { sticky: false, bucket: -1, hash: -1 };
  const decision = decide(plan, { ...input, labels }, outcome, env, recorder);
  const { lane, timeoutMs, attemptTimeoutMs, retry, datacenters, force } = decision;
  const { subset, strict, chain, tiers, places } = decision.destination;
  const isRefused = plan.lanes !== undefined && decision.destination === plan.lanes.refusal.destination;
  const lanes = env.lanes?.plan === plan ? env.lanes : undefined;
  const explainedLane = explainLane(plan, lanes, labels, env.clock, { lane, isRefused, isOverridden });
  return {
    service: plan.service,
    revision: plan.revision,
    method: input.method,
    decision: defined({
      by: decision.by,
      route: decision.route,
      ...{ subset, lane, strict, chain, tiers, places, timeoutMs, attemptTimeoutMs, retry },
      runs: describeRetry(decision, input.method, isIdempotent),
      requestHeaders: describeHeaderChanges(decision.requestHeaders),
      responseHeaders: describeHeaderChanges(decision.responseHeaders),
      ...{ datacenters, force, mirror: explainMirror(decision, input.method, isIdempotent, kind) },
    }),
    sticky: outcome.sticky,
    ...(outcome.bucket >= 0 && { bucket: outcome.bucket }),
    ...(outcome.hash >= 0 && { hash: outcome.hash }),
    labels: Object.fromEntries(seenLabels),
    ...(override !== undefined && { override }),
    ...(explainedLane !== undefined && { lane: explainedLane }),
    ...(outcome.faults !== undefined && { faults: outcome.faults.map(explainFault) }),
    routes: explainRoutes(plan, isOverridden || isByLane, seenRoutes, (key) => seenLabels.get(key) ?? undefined),
  };
}

function explainRoutes(
  plan: Plan,
  isOverridden: boolean,
  seen: ReadonlyMap<RoutePlan, RouteMiss | undefined>,
  labelValue: (key: string) => string | undefined,
): readonly ExplainedRoute[] {
  const matched = plan.routes.find((route) => seen.has(route) && seen.get(route) === undefined);
  return plan.routes.map((route) => {
    const { name, index } = route;
    if (route === matched) {
      const split = route.split.entries.map((entry) => ({ to: entry.to, percent: entry.buckets / 100 }));
      return { name, result: 'matched', split };
    }
    const miss = seen.get(route);
    if (miss !== undefined) return { name, result: 'missed', reason: explainMiss(route, miss, labelValue) };
    const isSkipped = isOverridden || (matched !== undefined && index > matched.index);
    if (!isSkipped && !isFromCaller(route, plan)) return { name, result: 'missed', reason: explainFrom(route, plan) };
    if (isSkipped) return { name, result: 'skipped' };
    // The routes that a method does not lead to are not even looked at.
    return { name, result: 'missed', reason: `method (expected: ${methodsOf(route).join(', ')})` };
  });
}

function explainFrom({ match }: RoutePlan, { caller }: Plan): string {
  return `from: ${caller ?? 'missing'} (expected: one of ${match?.from?.join(', ')})`;
}

function explainMiss(route: RoutePlan, miss: RouteMiss, labelValue: (key: string) => string | undefined): string {
  if (miss === 'any') {
    const groups = route.match?.any.map((group) =>
      group.map(({ key, describe }) => `${key} ${describe}`).join(' and '),
    );
    return `any (expected: ${groups?.join('; or ') ?? ''})`;
  }
  if ('admits' in miss) {
    const value = labelValue(miss.by);
    return value === undefined
      ? `sample by ${miss.by}: missing (expected: a value; without one a call is not sampled)`
      : `sample by ${miss.by}: ${value} (expected: one of the ${miss.percent} % of values that are sampled)`;
  }
  return `${miss.key}: ${labelValue(miss.key) ?? 'missing'} (expected: ${miss.describe})`;
}

function explainOverride(override: OverridePlan, inForce: boolean): ExplainedOverride {
  const { origin, untilMs, by, reason } = override;
  const until = Number.isFinite(untilMs) ? new Date(untilMs).toISOString() : undefined;
  return defined({ inForce, origin, until, by, reason });
}

function explainFault(fault: FaultPlan): ExplainedFault {
  const { name, percent, until, by, reason } = fault;
  return defined({ name, effect: describeFault(fault), percent, until, by, reason });
}

function methodsOf({ match }: RoutePlan): readonly string[] {
  if (match === undefined) return [];
  const { exact = [], prefixes = [] } = match.methods ?? {};
  return [...exact, ...prefixes, ...(match.path === undefined ? [] : [match.path.describe])];
}
