import {
  DEFAULT_BALANCING,
  DEFAULT_LOCALITY,
  DEFAULT_RETRY_BUDGET,
  resolveBalancing,
  resolveBreaker,
  resolveGuard,
  resolveLocality,
  resolveRetry,
  resolveSubsetBreaker,
} from './defaults';
import type { BalancingDocument, DestinationDocument, PolicyDocument, RouteDocument } from './document';
import { compileFaults, compileRouteFault } from './faults';
import { hashLabelsOf } from './hash-labels';
import { compileHeaderChanges } from './header-changes';
import { compileLanes } from './lanes/lane-plan';
import { compileMatch } from './match';
import { MethodSet } from './method-set';
import { withMirror } from './mirror';
import { namedLists } from './named-lists';
import { compileOverride, type EnvironmentOverride } from './override';
import { parseDocumentText } from './parse-text';
import { nameAtPlace, readDestination, subsetName } from './places/destination';
import type { OtherPolicies } from './places/other-services';
import { PlannedDestinations } from './places/planned-destinations';
import { deepFreeze } from './plain-data';
import {
  ALL_INSTANCES,
  type Decision,
  type FaultPlan,
  type MatchPlan,
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
import { validatePolicy } from './validate';
import type { ValueLists } from './value-list';

export interface CompileOptions {
  /** Consul service that the policy is for; the document must name the same. */
  readonly service: string;
  readonly origin: PolicyOrigin;
  /** From `GRAYLANE_OVERRIDE`: beats the document's override and never expires. */
  readonly override?: EnvironmentOverride;
  /** Lists of values that matchers name. Default: none is known. */
  readonly lists?: ValueLists;
  /** Policies of the services that destinations name. Default: not known, so that their subsets have no instance. */
  readonly policies?: OtherPolicies;
  /** The name that the Graylane client states of itself. Default: none, so that no route with `match.from` matches. */
  readonly caller?: string;
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
  const { service } = options;
  const isText = typeof content === 'string' || content instanceof Uint8Array;
  const parsed = isText ? parseDocumentText(content, format === 'yaml' ? 'yaml' : 'json') : undefined;
  if (parsed !== undefined && parsed.value === undefined) throw new PolicyError(service, parsed.problems);
  const positions = parsed === undefined ? {} : { positions: parsed.positions };
  const { document, warnings, problems } = validatePolicy(isText ? parsed?.value : content, { service, ...positions });
  if (document === undefined || (parsed?.problems ?? []).length > 0) {
    throw new PolicyError(service, [...(parsed?.problems ?? []), ...problems]);
  }
  const fault = options.signed === undefined ? undefined : signatureFault(document, options.signed);
  if (fault !== undefined) throw new PolicyError(service, [fault]);
  const { tombstone, signature } = document;
  if (tombstone !== true) return buildPlan(document, index, warnings, options);
  const none = { schema: 1, service, ...(signature !== undefined && { signature }) } as const;
  return buildPlan(none, index, warnings, { ...options, origin: 'none' });
}

/** The plan of a service without a policy: one subset that all instances are in, defaults throughout. */
export function emptyPlan(service: string, options: Pick<CompileOptions, 'override' | 'caller'> = {}): Plan {
  return buildPlan({ schema: 1, service }, undefined, [], { ...options, service, origin: 'none' });
}

/**
 * The plan with what is known of the policies of other services now; the same one where it names no other service.
 * `options`: those that it was compiled with.
 */
export function withOtherPolicies(
  plan: Plan,
  policies: OtherPolicies,
  options: Pick<CompileOptions, 'override' | 'caller'>,
): Plan {
  const { service, origin, document, index, warnings } = plan;
  if (plan.services === undefined || document === undefined) return plan;
  return buildPlan(document, index, warnings, { ...options, service, origin, policies });
}

function buildPlan(
  document: PolicyDocument,
  index: string | undefined,
  warnings: readonly PolicyProblem[],
  options: CompileOptions,
): Plan {
  const { service, origin, caller } = options;
  const subsets = compileSubsets(document);
  const own = [...subsets.keys()];
  const destinations = new PlannedDestinations(document, subsets, options.policies);
  const defaultSubset = document.default ?? own[0] ?? ALL_INSTANCES;
  const retry = retryOf(document.retry);
  // Decisions and plan refer to each other, so the plan's object comes first and is filled below.
  const plan = {} as Plan;
  const decisionTo = (to: DestinationDocument | undefined, route?: RouteDocument, fault?: FaultPlan): Decision => ({
    plan,
    by: route === undefined ? 'default' : 'route',
    route: route?.name ?? 'default',
    destination: destinations.to(to, route?.strict === true, route?.failover),
    timeoutMs: route?.timeoutMs ?? document.timeoutMs,
    attemptTimeoutMs: route?.attemptTimeoutMs ?? document.attemptTimeoutMs,
    retry: route?.retry === undefined ? retry : retryOf(route.retry),
    ...headersOf(route),
    ...(fault && { fault }),
    hedging: route?.hedging && { maxAttempts: 2, nonFatalStatusCodes: ['UNAVAILABLE'], ...route.hedging },
    datacenters: undefined,
    force: undefined,
  });
  const fallthrough = decisionTo(undefined);
  const routes = (document.routes ?? []).map((route, position): RoutePlan => {
    const salt = route.stickySalt ?? route.name;
    const fault = compileRouteFault(route);
    const { mirror } = route;
    const mirrorTo = mirror && destinations.to(mirror.to, true, undefined);
    const entries = (route.split ?? [{ to: route.to, weight: 1 }]).map(({ to, weight }) => {
      const written = readDestination(to, service);
      const subset = subsetName(written, document);
      const again = mirror && destinations.to(to, true, route.failover);
      const decision = withMirror(decisionTo(to, route, fault), mirror, mirrorTo, again);
      return { subset, to: nameAtPlace(subset, written.place), weight, decision };
    });
    const split = compileSplit(entries, { salt, stickBy: route.stickBy?.toLowerCase(), base: defaultSubset });
    return {
      name: route.name,
      index: position,
      match: route.match && compileMatch(route.match, salt, options.lists),
      split,
    };
  });
  const lists = namedLists(document);
  const lanes = compileLanes(
    document,
    (subset = defaultSubset) => decisionTo(subset),
    (subset) => subsets.get(subset)?.port,
  );
  const balancing = document.balancing === undefined ? DEFAULT_BALANCING : resolveBalancing(document.balancing);
  const faults = compileFaults(document, routes, options.lists);
  const isOverridden = document.override !== undefined || options.override !== undefined;
  const { override, warnings: more } = isOverridden
    ? compileOverride(
        document.override,
        options.override,
        (to) => {
          if (to === undefined) return fallthrough;
          if (typeof to === 'string' && !subsets.has(to)) return undefined;
          const { destination, place } = destinations.overriding(to);
          return { ...fallthrough, destination, datacenters: place === undefined ? undefined : [place] };
        },
        own,
      )
    : { override: undefined, warnings: [] };
  const told = new Set(warnings.map(({ message }) => message));
  Object.assign(plan, {
    service,
    origin,
    revision: origin === 'none' ? 'none' : revisionOf(document),
    index,
    subsets,
    routes,
    fallthrough,
    override,
    destinations: destinations.all,
    ...(lists.length > 0 && { lists }),
    labelKeys: labelKeysOf(routes, fallthrough, [
      ...hashLabelsOf({ subsets, balancing }),
      ...(faults ?? []).flatMap(({ match }) => labelsRead(match)),
      ...(lanes?.dimensions ?? []).map(({ by }) => by),
    ]),
    ...(lanes !== undefined && { lanes }),
    ...(faults && { faults }),
    balancing,
    locality: document.locality === undefined ? DEFAULT_LOCALITY : resolveLocality(document.locality),
    ...destinations.lookups(),
    ...(caller !== undefined && { caller }),
    retryBudget: { ...DEFAULT_RETRY_BUDGET, ...document.retryBudget },
    ...(document.idempotent !== undefined && { idempotent: MethodSet.of(document.idempotent) }),
    breaker: resolveBreaker(document.breaker),
    subsetBreaker: resolveSubsetBreaker(document.subsetBreaker),
    document: origin === 'none' ? undefined : document,
    ...(document.signature !== undefined && { signature: document.signature }),
    warnings: [...warnings, ...more.filter(({ message }) => !told.has(message))],
  } satisfies Plan);
  for (const subset of subsets.values()) deepFreeze(subset);
  return deepFreeze(plan);
}

function headersOf(route: RouteDocument | undefined): Pick<Decision, 'requestHeaders' | 'responseHeaders'> {
  const requestHeaders = compileHeaderChanges(route?.requestHeaders);
  const responseHeaders = compileHeaderChanges(route?.responseHeaders);
  return { ...(requestHeaders && { requestHeaders }), ...(responseHeaders && { responseHeaders }) };
}

function retryOf(written: PolicyDocument['retry']): Decision['retry'] {
  return typeof written === 'object' ? resolveRetry(written) : written;
}

function compileSubsets(document: PolicyDocument): Map<string, SubsetPlan> {
  const subsets = new Map<string, SubsetPlan>();
  for (const [name, subset] of Object.entries(document.subsets ?? { [ALL_INSTANCES]: {} })) {
    const { tags = [], notTags, meta = {}, filter, port, fallbackMaxPercentage = 100, limits, guard } = subset;
    const written = subset.fallback === undefined ? undefined : readDestination(subset.fallback, document.service);
    const fallback = written && subsetName(written, document);
    subsets.set(name, {
      name,
      tags,
      ...(notTags !== undefined && { notTags }),
      meta,
      filter,
      ...(port !== undefined && { port }),
      ...(subset.lanes === 'include' && { takesLanes: true }),
      fallback,
      ...(written?.place !== undefined && { fallbackPlace: written.place }),
      fallbackMaxPercentage,
      breaker: resolveBreaker(document.breaker, subset.breaker),
      subsetBreaker: resolveSubsetBreaker(document.subsetBreaker, subset.subsetBreaker),
      ...(limits !== undefined && { limits: { maxPending: 0, ...limits } }),
      ...(guard !== undefined && fallback !== undefined && { guard: resolveGuard(guard, fallback) }),
      ...(subset.balancing && { balancing: resolveBalancing({ ...policyWide(document), ...subset.balancing }) }),
    });
  }
  return subsets;
}

/** Of the policy's balancing what holds for every subset. */
function policyWide({ balancing }: PolicyDocument): BalancingDocument {
  const { algorithm: _, hashBy: __, ...rest } = balancing ?? {};
  return rest;
}

function labelsRead(match: MatchPlan | undefined): readonly string[] {
  if (match === undefined) return [];
  const keys = [match.labels, ...match.any].flatMap((group) => group.map(({ key }) => key));
  return match.sample === undefined ? keys : [...keys, match.sample.by];
}

/** Every label that a call under these routes may be asked for. */
export function labelKeysOf(
  routes: readonly RoutePlan[],
  fallthrough: Decision,
  alsoRead: Iterable<string> = [],
): readonly string[] {
  const keys = new Set<string | undefined>();
  const addDecision = ({ hashPolicies }: Decision): void => {
    if (hashPolicies !== undefined) for (const { key } of hashPolicies) keys.add(key);
  };
  addDecision(fallthrough);
  for (const { match, split } of routes) {
    for (const key of labelsRead(match)) keys.add(key);
    keys.add(split.stickBy);
    for (const { decision } of split.entries) addDecision(decision);
  }
  for (const key of alsoRead) keys.add(key);
  keys.delete(undefined);
  return [...keys] as string[];
}
