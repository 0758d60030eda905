import {
  resolveBalancing,
  resolveBreaker,
  resolveGuard,
  resolveHedging,
  resolveLocality,
  resolveRetry,
  resolveRetryBudget,
  resolveSubsetBreaker,
} from './defaults';
import { compileDestinations, findDestination, peerLookups } from './destinations';
import type { PolicyDocument, RouteDocument, SubsetDocument } from './document';
import { compileMatch } from './match';
import { MethodSet } from './method-set';
import { compileOverride, type EnvironmentOverride } from './override';
import { parsePolicyText } from './parse-text';
import { deepFreeze } from './plain-data';
import {
  ALL_INSTANCES,
  type Decision,
  type Destination,
  type Plan,
  type PolicyOrigin,
  type PolicyProblem,
  type RoutePlan,
  type SubsetPlan,
} from './plan';
import { PolicyError } from './policy-error';
import type { PolicyReading } from './policy-reading';
import { revisionOf } from './revision';
import { type SignatureCheck, signatureFault } from './signature';
import { compileSplit } from './split';
import { judgeDocument } from './validate';

export interface CompileOptions {
  /** Consul service that the policy is for; the document must name the same. */
  readonly service: string;
  readonly origin: PolicyOrigin;
  /** From `GRAYLANE_OVERRIDE`: beats the document's override and never expires. */
  readonly override?: EnvironmentOverride;
  /** Refuses documents that are not signed. Default: signatures are not looked at. */
  readonly signed?: SignatureCheck;
}

/**
 * Turns what a policy source read into a plan: text is parsed, the document validated, defaults applied, and every
 * decision that a call can meet built in advance. Pure but for reading its arguments; the plan shares nothing with them
 * and is frozen. Throws a {@link PolicyError} with every problem.
 */
export function compilePolicy(
  reading: Omit<PolicyReading & { readonly kind: 'present' }, 'kind'>,
  options: CompileOptions,
): Plan {
  const { content, format, index } = reading;
  const isText = typeof content === 'string' || content instanceof Uint8Array;
  const parsed = isText ? parsePolicyText(content, format === 'yaml' ? 'yaml' : 'json') : undefined;
  if (parsed !== undefined && parsed.value === undefined) throw new PolicyError(options.service, parsed.problems);
  const judged = judgeDocument(
    parsed === undefined ? content : parsed.value,
    parsed === undefined ? { service: options.service } : { service: options.service, positions: parsed.positions },
  );
  const problems = [...(parsed?.problems ?? []), ...judged.problems];
  if (problems.length > 0 || judged.document === undefined) throw new PolicyError(options.service, problems);
  const fault = options.signed === undefined ? undefined : signatureFault(judged.document, options.signed);
  if (fault !== undefined) throw new PolicyError(options.service, [fault]);
  const { tombstone, signature } = judged.document;
  if (tombstone === true) {
    const none = { schema: 1, service: options.service, ...(signature === undefined ? {} : { signature }) } as const;
    return buildPlan(none, index, judged.warnings, { ...options, origin: 'none' });
  }
  return buildPlan(judged.document, index, judged.warnings, options);
}

/** The plan of a service without a policy: one subset that all instances are in, defaults throughout. */
export function emptyPlan(service: string, options: { readonly override?: EnvironmentOverride } = {}): Plan {
  return buildPlan({ schema: 1, service }, undefined, [], { ...options, service, origin: 'none' });
}

function buildPlan(
  document: PolicyDocument,
  index: string | undefined,
  warnings: readonly PolicyProblem[],
  options: CompileOptions,
): Plan {
  const subsets = compileSubsets(document);
  const destinations = compileDestinations(new Map([...subsets].map(([name, subset]) => [name, subset.fallback])));
  const defaultSubset = document.default ?? [...subsets.keys()][0] ?? ALL_INSTANCES;
  const base = {
    timeoutMs: document.timeoutMs,
    attemptTimeoutMs: document.attemptTimeoutMs,
    retry: resolveRetry(document.retry),
    hedging: undefined,
    datacenters: undefined,
    force: undefined,
  } as const;
  // Decisions and plan refer to each other, so the plan's object comes first and is filled below.
  const plan = {} as Plan;
  const destinationOf = (subset: string, strict: boolean): Destination => {
    const found = findDestination(destinations, subset, strict);
    if (found === undefined) throw new Error(`subset ${subset} passed validation and does not exist`);
    return found;
  };
  const fallthrough: Decision = {
    ...base,
    plan,
    by: 'default',
    route: 'default',
    destination: destinationOf(defaultSubset, false),
  };
  const routes = (document.routes ?? []).map((route, position) => {
    const decide = (subset: string): Decision => ({
      plan,
      by: 'route',
      route: route.name,
      destination: destinationOf(subset, route.strict === true),
      timeoutMs: route.timeoutMs ?? base.timeoutMs,
      attemptTimeoutMs: route.attemptTimeoutMs ?? base.attemptTimeoutMs,
      retry: route.retry === undefined ? base.retry : resolveRetry(route.retry),
      hedging: resolveHedging(route.hedging),
      datacenters: undefined,
      force: undefined,
    });
    return compileRoute(route, position, defaultSubset, decide);
  });
  const balancing = resolveBalancing(document.balancing);
  const peers = peerLookups(options.service, document.locality?.failover);
  const { override, warnings: overrideWarnings } = compileOverride(
    document.override,
    options.override,
    (subset) =>
      subset === undefined ? fallthrough : findDecision(fallthrough, findDestination(destinations, subset, false)),
    [...subsets.keys()],
  );
  Object.assign(plan, {
    service: options.service,
    origin: options.origin,
    revision: options.origin === 'none' ? 'none' : revisionOf(document),
    index,
    subsets,
    routes,
    fallthrough,
    override,
    destinations,
    labelKeys: labelKeysOf(routes, balancing.hashBy),
    balancing,
    locality: resolveLocality(document.locality),
    ...(peers === undefined ? {} : { peers }),
    retryBudget: resolveRetryBudget(document.retryBudget),
    ...(document.idempotent !== undefined && { idempotent: MethodSet.of(document.idempotent) }),
    breaker: resolveBreaker(document.breaker),
    subsetBreaker: resolveSubsetBreaker(document.subsetBreaker),
    document: options.origin === 'none' ? undefined : document,
    ...(document.signature !== undefined && { signature: document.signature }),
    warnings: [...warnings, ...overrideWarnings],
  } satisfies Plan);
  for (const subset of subsets.values()) deepFreeze(subset);
  return deepFreeze(plan);
}

function findDecision(like: Decision, destination: Destination | undefined): Decision | undefined {
  return destination === undefined ? undefined : { ...like, destination };
}

function compileSubsets(document: PolicyDocument): ReadonlyMap<string, SubsetPlan> {
  const entries: [string, SubsetDocument][] = Object.entries(document.subsets ?? {});
  if (entries.length === 0) entries.push([ALL_INSTANCES, {}]);
  return new Map(
    entries.map(([name, subset]) => [
      name,
      {
        name,
        tags: subset.tags ?? [],
        meta: subset.meta ?? {},
        filter: subset.filter,
        ...(subset.port === undefined ? {} : { port: subset.port }),
        fallback: subset.fallback,
        fallbackMaxPercentage: subset.fallbackMaxPercentage ?? 100,
        breaker: resolveBreaker(document.breaker, subset.breaker),
        subsetBreaker: resolveSubsetBreaker(document.subsetBreaker, subset.subsetBreaker),
        ...(subset.limits !== undefined && { limits: { maxPending: 0, ...subset.limits } }),
        ...(subset.guard === undefined || subset.fallback === undefined
          ? {}
          : { guard: resolveGuard(subset.guard, subset.fallback) }),
      },
    ]),
  );
}

function compileRoute(
  route: RouteDocument,
  index: number,
  base: string,
  decide: (subset: string) => Decision,
): RoutePlan {
  const salt = route.stickySalt ?? route.name;
  const entries = route.split ?? [{ to: route.to ?? base, weight: 1 }];
  return {
    name: route.name,
    index,
    match: compileMatch(route, salt),
    split: compileSplit(
      entries.map((entry) => ({ subset: entry.to, weight: entry.weight, decision: decide(entry.to) })),
      { salt, stickBy: route.stickBy?.toLowerCase(), base },
    ),
  };
}

function labelKeysOf(routes: readonly RoutePlan[], hashBy: string | undefined): readonly string[] {
  const keys = new Set<string>();
  for (const { match, split } of routes) {
    for (const condition of match?.labels ?? []) keys.add(condition.key);
    for (const group of match?.any ?? []) for (const condition of group) keys.add(condition.key);
    if (match?.sample !== undefined) keys.add(match.sample.by);
    if (split.stickBy !== undefined) keys.add(split.stickBy);
  }
  if (hashBy !== undefined) keys.add(hashBy);
  return [...keys];
}
