import { type DatacenterState, peerOf } from '../../base/instances';
import { nearest, withoutDigits } from '../../base/spelling';
import { emptyPlan } from '../../policy/compile';
import { failoverPlaces } from '../../policy/destinations';
import type { InstanceSet } from '../../policy/membership/snapshot';
import { destinationPaths, destinationsIn, readDestination } from '../../policy/places/destination';
import type { Plan } from '../../policy/plan';
import { describeSelector } from './describe-selector';
import { faultFindings, faultRemarks } from './faults';
import { mirrorRemarks } from './mirrors';
import { type Outcome, type Side, type SideBySide, sideBySide, type UseOf } from './outcomes';

/** The instances and names that the registry lists now. */
export interface RegistryView {
  /** Every datacenter that could be read, the policy's own first, with the answers to the filters of both plans. */
  readonly instances: InstanceSet;
  /** Names of all datacenters, also of those that could not be read; undefined: not known. */
  readonly datacenters: readonly string[] | undefined;
  /** Names of the services that are registered; undefined: not known. */
  readonly services?: readonly string[];
  /** Subsets in use outside the policy: those of a rollout. */
  readonly alsoUsed?: readonly string[];
}

/**
 * `empty`: no usable instance. `fewer`: less than half of what serves now. `same`: the same instances as another
 * subset. `filter`: Consul cannot evaluate the filter. `calls`: calls that are answered now would fail. `datacenter`,
 * `service`: a name that nothing has. `fault`: a fault of the policy fails every call, with nothing that stops it.
 */
type FindingKind = 'calls' | 'empty' | 'fewer' | 'same' | 'filter' | 'datacenter' | 'service' | 'fault';

/** One problem that a policy would cause for a service. */
interface EffectFinding {
  readonly kind: FindingKind;
  /** The place in the policy, such as `subsets.stable`. */
  readonly path: string;
  /** The subset of the problem, where there is one. */
  readonly subset?: string;
  /** One sentence: the problem, and what is registered. */
  readonly text: string;
  /** True when the change causes the problem. Only such a finding refuses a change. */
  readonly isNew: boolean;
}

export interface Effect {
  readonly findings: readonly EffectFinding[];
  /** No instance of the service is registered in any datacenter, so there was nothing to judge. */
  readonly isUnregistered: boolean;
  /** Remarks that are no reason to refuse. */
  readonly remarks: readonly string[];
  /** Calls that fail under the policy in force for clients that look only in its datacenter, where others have them served. */
  readonly athomeLost: readonly string[];
}

export interface EffectInput {
  /** The plan in force; undefined without a policy, when calls are spread over all instances. */
  readonly before: Plan | undefined;
  readonly after: Plan;
  readonly view: RegistryView;
  readonly wallNowMs: number;
}

/** A subset, or all of a service, keeps at least this share of the instances that serve now. */
const LEAST_SHARE = 0.5;
/** Limit of the routes that one finding names. */
const MOST_CALLS = 5;

/**
 * Judges the effect of a policy on the calls of a service, given the listed instances and the plan in force. Considers
 * clients that look in every datacenter, and clients that look only in their own, which is the default. Pure.
 */
export function judgeEffect(question: EffectInput): Effect {
  const { after, view } = question;
  const before = question.before ?? emptyPlan(after.service);
  const everywhere = sideBySide(before, after, view.instances, question.wallNowMs);
  const [home, ...others] = view.instances.datacenters;
  const isEmpty = view.instances.datacenters.every(({ instances }) => instances.length === 0);
  if (isEmpty && after.lookups === undefined && after.elsewhere === undefined) return ofUnregistered(question);
  const lost = failingCalls(everywhere);
  const findings: EffectFinding[] = [
    ...otherCase(question),
    ...unknownDatacenters(before, after, view, question.wallNowMs),
    ...idleOverride(everywhere, view, question.wallNowMs),
    ...lost,
  ];
  const athomeLost: string[] = [];
  if (home !== undefined && others.length > 0 && after.lookups === undefined) {
    const athome = sideBySide(before, after, athomeOf(view.instances, home), question.wallNowMs);
    const where = `for clients that look in ${home.datacenter} alone, `;
    // Also for a policy that is in force already, unless the service is not meant to be registered here.
    const isStanding = question.before === after && home.instances.length > 0;
    const more = failingCalls(athome).filter(({ subset }) => !isToldOf(lost, subset));
    // Routes of a first policy may lead elsewhere on purpose; those of a policy in force that lead nowhere now are a slip.
    const isChange = question.before !== undefined && question.before !== after;
    const refused = more.filter(({ isOfAll, isNew }) => (isOfAll ? isNew || isStanding : isNew && isChange));
    findings.push(...refused.map((each) => ({ ...each, text: where + each.text })));
    if (isStanding) athomeLost.push(...more.filter(({ isOfAll }) => !isOfAll).map(({ text }) => where + text));
  }
  const ofSubsets = subsetFindings(everywhere, view);
  findings.push(...ofSubsets.filter(({ kind, subset, isNew }) => kind !== 'empty' || !isToldOf(lost, subset, isNew)));
  findings.push(...fewerInAll(everywhere), ...faultFindings(before, after, question.wallNowMs));
  const ofFaults = faultRemarks(before, after, question.wallNowMs, view.alsoUsed !== undefined);
  return { findings, isUnregistered: false, remarks: [...remarksOf(everywhere, view), ...ofFaults], athomeLost };
}

/** What a client sees that looks in one datacenter alone: pinned places, but other services only there. */
function athomeOf({ lookups }: InstanceSet, home: DatacenterState): InstanceSet {
  if (lookups === undefined) return { version: 0, datacenters: [home] };
  const seen = [...lookups].filter(([key, { datacenter }]) => key.startsWith('[') || datacenter === home.datacenter);
  return { version: 0, datacenters: [home], lookups: new Map(seen) };
}

/**
 * The findings for a service without any registration: no call can get worse, and only the name of the service can be
 * checked.
 */
function ofUnregistered({ before, after, view }: EffectInput): Effect {
  const { service } = after;
  const isFirst = before === undefined;
  // A policy that has been in force for long belongs to a service that is not registered at present.
  const others = (view.services ?? []).filter((name) => withoutDigits(name) !== withoutDigits(service));
  const meant = isFirst || before === after ? nearest(service, others) : undefined;
  const base = { isUnregistered: true, remarks: [], athomeLost: [] };
  if (meant === undefined) return { ...base, findings: [] };
  const text = `no instance of ${service} is registered; did you mean ${meant}?`;
  return { ...base, findings: [{ kind: 'service', path: 'service', text, isNew: isFirst }] };
}

/**
 * Consul finds a service whatever the case of its name, and a policy by its very key: a first policy of `Payments` would
 * be read by no client of `payments`.
 */
function otherCase({ before, after, view: { services = [] } }: EffectInput): readonly EffectFinding[] {
  const { service } = after;
  const isFirst = before === undefined;
  if ((!isFirst && before !== after) || services.includes(service)) return [];
  const meant = services.find((name) => name.toLowerCase() === service.toLowerCase());
  if (meant === undefined) return [];
  const text = `${service} is registered as ${meant}, and clients read the policy of the very name that they call; did you mean ${meant}?`;
  return [{ kind: 'service', path: 'service', text, isNew: isFirst }];
}

/** An override to a datacenter where nobody could serve does nothing: clients go on as without it. */
function idleOverride({ before, after }: SideBySide, view: RegistryView, nowMs: number): readonly EffectFinding[] {
  const { override } = after.plan;
  if (override === undefined || nowMs >= override.untilMs) return [];
  const { datacenters = [], destination } = override.decision;
  // What Consul does not know is told apart, and what could not be read is not judged.
  const read = view.instances.datacenters.filter(({ datacenter }) => datacenters.includes(datacenter));
  if (read.length === 0) return [];
  const subsets = override.datacenterOnly ? undefined : destination.chain;
  const isServing = after.membership.groups.some(
    ({ datacenter, subset, usable }) =>
      datacenters.includes(datacenter) && subsets?.includes(subset) !== false && usable.length > 0,
  );
  if (isServing) return [];
  const whom = override.datacenterOnly ? after.plan.service : destination.subset;
  const where = read.map(({ datacenter }) => datacenter).join(', ');
  const text = `override.datacenter: no usable instance of ${whom} in ${where}, so clients would go on as without it`;
  const former = before.plan.override?.decision.datacenters ?? [];
  return [{ kind: 'empty', path: 'override.datacenter', text, isNew: former.join() !== datacenters.join() }];
}

interface LostCalls extends EffectFinding {
  /** No call that reaches the default is answered. */
  readonly isOfAll: boolean;
  readonly subset: string;
}

/**
 * Finds calls that no instance would answer; calls with one cause are one finding. A finding is new unless the same
 * calls are lost today.
 */
function failingCalls({ before, after }: SideBySide): readonly LostCalls[] {
  const isServing = before.outcomes.some(({ serving }) => serving.length > 0);
  const causes = new Map<string, LostCalls & { readonly calls: readonly string[]; readonly why: string }>();
  for (const outcome of after.outcomes) {
    if (outcome.serving.length > 0) continue;
    const { chain } = outcome.decision.destination;
    const selectors = chain.map((each) => describeSelector(after.plan, each, after.membership));
    const why = `${selectors.join('; ')}${chain.length === 1 ? '; fallback none' : ''}`;
    const isNew = isServing && !wasLost(outcome, before);
    const known = causes.get(`${isNew} ${why}`);
    const isOthersServed = after.outcomes.some(({ name, serving }) => name === outcome.name && serving.length > 0);
    const isOfAll = outcome.isOfAll && !(outcome.share < 1 && isOthersServed);
    causes.set(`${isNew} ${why}`, {
      kind: 'calls',
      path: known?.path ?? outcome.path,
      text: '',
      isNew,
      isOfAll: isOfAll || known?.isOfAll === true,
      subset: outcome.subset,
      calls: [...(known?.calls ?? []), describeCalls(outcome)],
      why,
    });
  }
  return [...causes.values()].map(({ calls, why, ...rest }) => {
    const shown = calls.slice(0, MOST_CALLS).join(', ');
    const more = calls.length > MOST_CALLS ? ` and ${calls.length - MOST_CALLS} more` : '';
    return { ...rest, text: `calls of ${shown}${more} would fail: ${why}` };
  });
}

function describeCalls({ name, share }: Outcome): string {
  if (name === 'override' || name === 'default') return `the ${name}`;
  return share < 1 ? `route ${name} (${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %)` : `route ${name}`;
}

/** Whether the same calls are lost under the policy in force. */
function wasLost(outcome: Outcome, before: Side): boolean {
  return before.outcomes.some(
    (old) =>
      old.name === outcome.name &&
      old.serving.length === 0 &&
      old.subset === outcome.subset &&
      outcome.share <= old.share + 1e-9 &&
      // Every condition that excluded calls before still does.
      old.gate.every((gate) => outcome.gate.includes(gate)) &&
      old.gate.at(-1) === outcome.gate.at(-1),
  );
}

/** Judges each subset that calls reach, also as a fallback. */
function subsetFindings({ before, after }: SideBySide, view: RegistryView): readonly EffectFinding[] {
  const uses = new Map(after.uses);
  for (const name of view.alsoUsed ?? []) if (after.plan.subsets.has(name)) uses.set(name, uses.get(name) ?? 'rollout');
  const findings: EffectFinding[] = [];
  for (const [name, use] of uses) {
    const path = pathOfSubset(name, after.plan);
    const now = countsOf(name, after);
    // Without a policy all instances serve, so a subset of a first policy is compared with nothing.
    const then = before.plan.subsets.has(name) ? countsOf(name, before) : undefined;
    const wasUsed = then !== undefined && (before.uses.has(name) || view.alsoUsed?.includes(name) === true);
    const refusal = filterRefusal(name, after);
    if (refusal !== undefined) {
      const text = `${name} (${use}) would be empty: Consul refuses its filter: ${refusal}`;
      const isNew = filterRefusal(name, before) === undefined;
      findings.push({ kind: 'filter', subset: name, path: `${path}.filter`, text, isNew });
    } else if (now.usable === 0) {
      const text = `${describeSelector(after.plan, name, after.membership)} (${use})`;
      const wasEmpty = wasUsed && then.usable === 0 && !(then.listed > 0 && now.listed === 0);
      findings.push({ kind: 'empty', subset: name, path, text, isNew: !wasEmpty && isNewlyEmpty(then, now, before) });
    } else if (then !== undefined && now.home < then.home * LEAST_SHARE) {
      const text = `${name} (${use}) would have ${now.home} of the ${then.home} usable instances that it has now in ${now.where}`;
      const hint = describeSelector(after.plan, name, after.membership);
      findings.push({ kind: 'fewer', subset: name, path, text: `${text}: ${hint}`, isNew: true });
    }
  }
  findings.push(...twins(uses, before, after));
  return findings;
}

/** Where a subset stands in the policy: one of another service stands where calls are sent to it. */
function pathOfSubset(name: string, { document, subsets }: Plan): string {
  const isOther = document !== undefined && subsets.get(name)?.service !== undefined;
  return (isOther ? destinationPaths(document).get(name) : undefined) ?? `subsets.${name}`;
}

/** True when every instance of the subset is critical: the policy is not the cause. */
function isNewlyEmpty(then: Counts | undefined, now: Counts, before: Side): boolean {
  if (then !== undefined) return then.usable > 0 || then.listed > now.listed || now.listed === 0;
  return now.listed === 0 || before.outcomes.some(({ serving }) => serving.length > 0);
}

interface Counts {
  readonly usable: number;
  readonly listed: number;
  /** Usable instances of the first datacenter that has any. */
  readonly home: number;
  readonly where: string;
}

function countsOf(subset: string, { membership }: Side): Counts {
  const groups = membership.groups.filter((group) => group.subset === subset);
  const [where = ''] = membership.datacenters;
  const home = groups.find(({ datacenter }) => datacenter === where)?.usable.length ?? 0;
  const usable = groups.flatMap((group) => group.usable).length;
  return { usable, listed: usable + groups.flatMap((group) => group.unusable).length, home, where };
}

function filterRefusal(subset: string, { membership }: Side): string | undefined {
  for (const datacenter of membership.datacenters) {
    const failure = membership.filterFailure(subset, datacenter);
    if (failure?.isRefused === true) return failure.reason;
  }
  return undefined;
}

/** Finds two subsets in use with the same instances: the policy cannot tell them apart. */
function twins(uses: ReadonlyMap<string, UseOf>, before: Side, after: Side): readonly EffectFinding[] {
  // The default of another service goes by two names, and what is alike there is for its own policy to say.
  const names = [...uses.keys()].filter((name) => after.plan.subsets.get(name)?.service === undefined);
  const findings: EffectFinding[] = [];
  for (const [at, first] of names.entries()) {
    const members = membersOf(first, after);
    if (members === '') continue;
    for (const second of names.slice(at + 1)) {
      if (members !== membersOf(second, after)) continue;
      const wereAlike =
        before.plan.subsets.has(first) &&
        before.plan.subsets.has(second) &&
        membersOf(first, before) === membersOf(second, before);
      const count = members.split('\n').length;
      const which = count === 1 ? 'the same instance' : `the same ${count} instances`;
      const text = `${first} and ${second} would be ${which}: ${describeSelector(after.plan, second, after.membership)}`;
      findings.push({ kind: 'same', path: `subsets.${second}`, text, isNew: !wereAlike });
    }
  }
  return findings;
}

function membersOf(subset: string, { membership }: Side): string {
  return membership.groups
    .filter((group) => group.subset === subset)
    .flatMap(({ usable, unusable }) => [...usable, ...unusable].map(({ key, port }) => `${key} ${port}`))
    .sort()
    .join('\n');
}

/** Finds the case that all unmatched calls would go to less than half of the weight that serves them now. */
function fewerInAll({ before, after }: SideBySide): readonly EffectFinding[] {
  const then = weightOf(before);
  const now = weightOf(after);
  if (now.weight === 0 || now.weight >= then.weight * LEAST_SHARE) return [];
  const text = `calls would go to ${now.count} of the ${then.count} instances that serve them now`;
  return [{ kind: 'fewer', path: now.path, text, isNew: true }];
}

function weightOf({ outcomes }: Side): { readonly weight: number; readonly count: number; readonly path: string } {
  const own = outcomes.filter(({ name }) => name === 'override');
  const common = own.length > 0 ? own : outcomes.filter(({ isOfAll }) => isOfAll);
  const serving = new Set(common.flatMap((outcome) => outcome.serving));
  const weight = [...serving].reduce((sum, instance) => sum + instance.weight, 0);
  return { weight, count: serving.size, path: common[0]?.path ?? '' };
}

function unknownDatacenters(before: Plan, after: Plan, view: RegistryView, nowMs: number): readonly EffectFinding[] {
  const { datacenters } = view;
  if (datacenters === undefined || after.lookups !== undefined) return [];
  const named = (plan: Plan): readonly (readonly [path: string, name: string])[] => [
    ...(plan.locality.failover ?? []).map((name, at) => [`locality.failover[${at}]`, name] as const),
    ...placesOf(plan),
    ...(plan.override !== undefined && nowMs < plan.override.untilMs
      ? (plan.override.decision.datacenters ?? [])
      : []
    ).map((name) => ['override.datacenter', name] as const),
  ];
  const former = new Set(named(before).map(([, name]) => name));
  return named(after)
    .filter(([, name]) => !datacenters.includes(name) && peerOf(name) === undefined)
    .map(([path, name]) => {
      const meant = nearest(name, datacenters);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      const text = `${path}: Consul knows no datacenter ${name} (it knows ${datacenters.join(', ')}${hint})`;
      return { kind: 'datacenter', path, text, isNew: !former.has(name) } as const;
    });
}

/** The places that destinations and the failover of routes name. */
function placesOf({ document, service }: Plan): readonly (readonly [path: string, name: string])[] {
  if (document === undefined) return [];
  const pins = destinationsIn(document).flatMap(({ path, to }) => {
    const { place } = readDestination(to, service);
    return place === undefined || path === 'override.to' ? [] : [[path, place] as const];
  });
  const next = (document.routes ?? []).flatMap(({ failover }, index) =>
    (failoverPlaces(failover) ?? []).map((name, at) => [`routes[${index}].failover[${at}]`, name] as const),
  );
  return [...pins, ...next];
}

function remarksOf({ after }: SideBySide, { instances, datacenters = [] }: RegistryView): readonly string[] {
  const home = instances.datacenters[0]?.datacenter;
  const named = after.plan.override?.decision.datacenters ?? [];
  return named
    .filter((name) => home !== undefined && name !== home && datacenters.includes(name))
    .map((name) => `clients that look in ${home} alone, as they do by default, do not go by the override's ${name}`)
    .concat(mirrorRemarks(after));
}

/** Empty subsets are reported with the calls that would fail. */
function isToldOf(lost: readonly LostCalls[], subset: string | undefined, isNew?: boolean): boolean {
  return lost.some((one) => subset === one.subset && (isNew === undefined || one.isNew === isNew));
}
