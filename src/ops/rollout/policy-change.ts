import { sha256 } from '../../base/sha256';
import type {
  MatchDocument,
  PolicyDocument,
  RouteDocument,
  SplitEntryDocument,
  SubsetDocument,
} from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { describeWritten } from '../../policy/places/destination';
import { canonicalJson } from '../../policy/plain-data';
import type { PolicyError } from '../../policy/policy-error';
import { validatePolicy } from '../../policy/validate';
import type { StoredPolicy } from '../store/history';
import { contentDigest, parseStored } from '../store/policy-text';
import { returnsShare } from './deployment/deployment';
import type { RolloutDocument, SetMirrorDocument } from './document';
import type { RolloutAction } from './progress';

/** An action that changes the policy. */
export type PolicyAction = Exclude<RolloutAction, { readonly kind: 'notify' | 'gate' | 'deployment' }>;

/**
 * The policy with the action done. Doing it again changes nothing. `history`: of the policy, for what is taken back after
 * its end. Pure.
 */
export function applyAction(
  policy: PolicyDocument,
  action: PolicyAction,
  rollout: RolloutDocument,
  history: StoredPolicy['history'],
): Edited {
  switch (action.kind) {
    case 'setWeight':
      return withWeight(policy, rollout, action.weight);
    case 'setRoute':
      return withTesters(policy, rollout, action.route);
    case 'clearRoute':
      return { document: withoutRoutes(policy, [action.route]) };
    case 'setMirror':
      return withMirror(policy, rollout, action.mirror);
    case 'rollback': {
      const edited = withWeight(withoutAdded(policy, rollout), rollout, 0);
      const promotedIn = action.late?.promotedIn;
      if (promotedIn === undefined || 'refusal' in edited) return edited;
      return withoutPromotion(edited.document, rollout, promotedIn, history);
    }
    case 'promote':
      return withCanaryAsStable(withoutAdded(policy, rollout), rollout);
    case 'finish': {
      const document = withoutAdded(policy, rollout);
      return returnsShare(rollout) ? withWeight(document, rollout, 0) : { document };
    }
  }
}

/** Whether the action gives instances more calls than the policy does now: a canary, or a stable of long ago. */
export function raisesWeight(policy: PolicyDocument, action: PolicyAction, rollout: RolloutDocument): boolean {
  if (action.kind === 'rollback') return action.late !== undefined;
  return action.kind === 'setWeight' && action.weight > canaryWeight(policy, rollout);
}

/** For the policy's history: why this revision was written. */
export function describeAction(action: PolicyAction, rollout: RolloutDocument): string {
  const { canary, stable, steps } = rollout;
  switch (action.kind) {
    case 'setWeight': {
      const isStep = action.step < steps.length;
      return `${isStep ? `step ${action.step + 1} of ${steps.length}` : 'after the last step'}: ${canary} to ${action.weight} %`;
    }
    case 'setRoute':
      return `step ${action.step + 1} of ${steps.length}: route ${action.route.name} to ${canary}`;
    case 'clearRoute':
      return `step ${action.step + 1} of ${steps.length}: route ${action.route} ends`;
    case 'setMirror':
      return `step ${action.step + 1} of ${steps.length}: copies of ${action.mirror.percent} % to ${canary}`;
    case 'rollback':
      return `rolled back, ${canary} to 0 %: ${action.message}`;
    case 'promote':
      return `promoted: ${stable} is what ${canary} was`;
    case 'finish':
      return returnsShare(rollout)
        ? `finished: ${stable} has all calls, the promoted ${canary} among it`
        : `finished: ${canary} stays at 100 %`;
  }
}

/** Names of the routes that the rollout adds and removes again. */
export function testersOf({ steps }: RolloutDocument): readonly string[] {
  return steps.flatMap((step) => ('setRoute' in step ? [step.setRoute.name] : []));
}

/** The subsets that a rollout moves calls between, and the route of these calls. */
export type MovedSplit = Pick<RolloutDocument, 'canary' | 'stable' | 'route'>;

/** Made when the policy has no route with a split between both: it matches every call that no other route does. */
const OWN_ROUTE = 'rollout';

/** A change to a policy, or why the policy does not allow it. */
export type Edited = { readonly document: PolicyDocument } | { readonly refusal: string };

/**
 * Weight of the canary in the route that is moved, in percent of what it shares with stable; 0 when there is none yet.
 */
export function canaryWeight(document: PolicyDocument, of: MovedSplit): number {
  const split = findRoute(document, of)?.split;
  const canary = weightOf(split, of.canary);
  const both = canary + weightOf(split, of.stable);
  return both === 0 ? 0 : (canary / both) * 100;
}

/**
 * The canary gets `weight` percent of what it and stable have together; entries of other subsets stay as they are. The
 * split keeps its order, so sticky callers move by the difference and no other. Pure.
 */
export function withWeight(document: PolicyDocument, of: MovedSplit, weight: number): Edited {
  const missing = [of.canary, of.stable].find((name) => subsetOf(document, name) === undefined);
  if (missing !== undefined) return { refusal: `subsets.${missing}: missing (expected: a subset of the policy)` };
  const found = findRoute(document, of);
  if (found === undefined) {
    if (of.route !== undefined) return { refusal: `route ${of.route}: missing (expected: a route of the policy)` };
    const open = document.routes?.findLast((route) => route.match === undefined);
    if (open !== undefined) {
      const refusal = `route ${open.name}: matches every call and does not split between ${of.stable} and ${of.canary} (expected: a split between both)`;
      return { refusal };
    }
    const split = [
      { to: of.stable, weight: 100 - weight },
      { to: of.canary, weight },
    ];
    return { document: { ...document, routes: [...(document.routes ?? []), { name: OWN_ROUTE, split }] } };
  }
  const { split } = found;
  if (split === undefined || !split.some(({ to }) => to === of.canary) || !split.some(({ to }) => to === of.stable)) {
    return { refusal: `route ${found.name}: does not split between ${of.stable} and ${of.canary} (expected: both)` };
  }
  const both = weightOf(split, of.canary) + weightOf(split, of.stable);
  if (both === 0) return { refusal: `route ${found.name}: ${of.stable} and ${of.canary} have no weight to share` };
  const moved = split.map((entry): SplitEntryDocument => {
    if (entry.to === of.canary) return { to: entry.to, weight: exact((both * weight) / 100) };
    if (entry.to === of.stable) return { to: entry.to, weight: exact(both - exact((both * weight) / 100)) };
    return entry;
  });
  return { document: withRoute(document, { ...found, split: moved }) };
}

/** A route of testers in front of all others; one of the same name is replaced where it stands. Pure. */
export function withTesters(
  document: PolicyDocument,
  { canary }: MovedSplit,
  { name, match }: { readonly name: string; readonly match: MatchDocument },
): Edited {
  const route: RouteDocument = { name, match, to: canary, strict: true };
  const isKnown = document.routes?.some((each) => each.name === name) === true;
  if (isKnown) return { document: withRoute(document, route) };
  return { document: { ...document, routes: [route, ...(document.routes ?? [])] } };
}

/** The moved route with copies of its calls to the canary; with a share of 0 without any. Pure. */
function withMirror(document: PolicyDocument, of: MovedSplit, mirror: SetMirrorDocument): Edited {
  // Makes the route where there is none.
  const split = withWeight(document, of, canaryWeight(document, of));
  if ('refusal' in split) return split;
  const found = findRoute(split.document, of);
  if (found === undefined) return split;
  if (mirror.percent === 0) return { document: withoutMirror(document, of) };
  if (found.mirror !== undefined && found.mirror.to !== of.canary) {
    return { refusal: `route ${found.name}: has a mirror to another destination (expected: none, or ${of.canary})` };
  }
  return { document: withRoute(split.document, { ...found, mirror: { to: of.canary, ...mirror } }) };
}

/** Only copies to the canary are taken away. */
function withoutMirror(document: PolicyDocument, of: MovedSplit): PolicyDocument {
  const found = findRoute(document, of);
  if (found?.mirror?.to !== of.canary) return document;
  const { mirror: _, ...route } = found;
  return withRoute(document, route);
}

/** The document without what the steps of the rollout added to it. Pure. */
function withoutAdded(document: PolicyDocument, rollout: RolloutDocument): PolicyDocument {
  const rest = withoutRoutes(document, testersOf(rollout));
  return hasMirror(rollout) ? withoutMirror(rest, rollout) : rest;
}

/** Whether a step of the rollout makes copies. */
export function hasMirror({ steps }: RolloutDocument): boolean {
  return steps.some((step) => 'setMirror' in step);
}

/** The name of the moved route if it makes copies already. */
export function mirroredRoute(document: PolicyDocument, of: MovedSplit): string | undefined {
  const found = findRoute(document, of);
  return found?.mirror === undefined ? undefined : found.name;
}

/** The document without these routes. Pure. */
export function withoutRoutes(document: PolicyDocument, names: readonly string[]): PolicyDocument {
  const { routes } = document;
  if (routes?.some(({ name }) => names.includes(name)) !== true) return document;
  return { ...document, routes: routes.filter(({ name }) => !names.includes(name)) };
}

/**
 * Stable becomes what the canary is: it selects the canary's instances from now on, keeps its own tuning, and has the
 * whole weight again. Both changes in one document: no call changes its instance. Pure.
 */
export function withCanaryAsStable(document: PolicyDocument, of: MovedSplit): Edited {
  const reset = withWeight(document, of, 0);
  if ('refusal' in reset) return reset;
  return { document: withSelector(reset.document, of.stable, subsetOf(document, of.canary) ?? {}) };
}

/** Stable selects what it did before the policy of this number, unless that was changed since. */
function withoutPromotion(
  document: PolicyDocument,
  { stable }: MovedSplit,
  number: number,
  history: StoredPolicy['history'],
): Edited {
  const at = history.findIndex((each) => each.number === number);
  const [before, after] = [history[at - 1], history[at]].map((stored) => {
    const parsed = stored?.entry === undefined ? undefined : parseStored(stored.entry.document);
    const subset = parsed === undefined ? undefined : subsetOf(parsed as PolicyDocument, stable);
    return subset === undefined ? undefined : selectorOf(subset);
  });
  if (before === undefined || after === undefined) {
    return { refusal: `subsets.${stable}: what it was before number ${number} is no longer in the policy's history` };
  }
  const now = canonicalJson(selectorOf(subsetOf(document, stable) ?? {}));
  if (now === canonicalJson(before)) return { document };
  if (now === canonicalJson(after)) return { document: withSelector(document, stable, before) };
  return { refusal: `subsets.${stable}: changed since it was promoted (expected: as number ${number} has it)` };
}

/** What says which instances a subset has; its other fields are tuning. */
const SELECTOR = ['tags', 'notTags', 'meta', 'filter', 'port', 'lanes'] as const;

/** The subset selects what `like` selects, and keeps its own tuning. */
function withSelector(document: PolicyDocument, name: string, like: SubsetDocument): PolicyDocument {
  const tuning: Record<string, unknown> = { ...subsetOf(document, name) };
  for (const key of SELECTOR) delete tuning[key];
  return { ...document, subsets: { ...document.subsets, [name]: { ...selectorOf(like), ...tuning } } };
}

function selectorOf(subset: SubsetDocument): SubsetDocument {
  return Object.fromEntries(SELECTOR.flatMap((key) => (key in subset ? [[key, subset[key]]] : [])));
}

function findRoute({ routes }: PolicyDocument, of: MovedSplit): RouteDocument | undefined {
  if (of.route !== undefined) return routes?.find(({ name }) => name === of.route);
  return routes?.findLast(
    ({ split }) => split?.some(({ to }) => to === of.canary) === true && split.some(({ to }) => to === of.stable),
  );
}

function withRoute(document: PolicyDocument, route: RouteDocument): PolicyDocument {
  return { ...document, routes: document.routes?.map((each) => (each.name === route.name ? route : each)) ?? [route] };
}

function subsetOf({ subsets }: PolicyDocument, name: string): SubsetDocument | undefined {
  return subsets !== undefined && Object.hasOwn(subsets, name) ? subsets[name] : undefined;
}

function weightOf(split: readonly SplitEntryDocument[] | undefined, subset: string): number {
  return split?.find(({ to }) => to === subset)?.weight ?? 0;
}

/** 100 % of 0.3 is 0.3, and 10 % of 3 is 0.3, too. */
function exact(weight: number): number {
  return Number(weight.toFixed(9));
}

/** The policy that the rollout wrote or accepted last. Any other policy in Consul is a foreign change. */
export interface WrittenPolicy {
  /** See `contentDigest()`: another signature of the same policy is no foreign change. */
  readonly digest: string;
  /** Its number in the policy's history; 0 when it has no history. */
  readonly number: number;
}

/** The policy in Consul, compared with the one that the rollout knows. */
export type PolicyStatus =
  | { readonly kind: 'own'; readonly document: PolicyDocument }
  /** Changed by another writer, and valid. */
  | { readonly kind: 'changed'; readonly document: PolicyDocument; readonly message: string }
  /** Gone, or not valid. */
  | { readonly kind: 'invalid'; readonly message: string };

/** Compares the policy in Consul with the known one. Pure. */
export function policyStatusOf(
  stored: StoredPolicy,
  known: WrittenPolicy | undefined,
  wallNowMs: number,
): PolicyStatus {
  const { service, policy, history } = stored;
  if (policy === undefined) {
    const message = history.length === 0 ? `${service} has no policy` : `the policy of ${service} is gone`;
    return { kind: 'invalid', message };
  }
  const { document, problems } = validatePolicy(parseStored(policy.text), { service });
  if (document === undefined) {
    return { kind: 'invalid', message: `the policy in Consul is not valid: ${problems[0]?.message ?? 'not JSON'}` };
  }
  if (document.tombstone === true)
    return { kind: 'invalid', message: `${service} has no policy any more (a tombstone)` };
  if (known === undefined || contentDigest(policy.text) === known.digest) return { kind: 'own', document };
  const override = overrideInForce(document, wallNowMs);
  const last = history.at(-1)?.entry;
  const who =
    last?.documentDigest === sha256(policy.text)
      ? `${last.author} wrote number ${last.number} (${JSON.stringify(last.message)})`
      : 'it was written past the history';
  const what = override === undefined ? 'the policy was changed' : override;
  return { kind: 'changed', document, message: `${what}: ${who}` };
}

/** A sentence about the override that is in force, undefined without one. */
export function overrideInForce({ override }: PolicyDocument, wallNowMs: number): string | undefined {
  if (override === undefined) return undefined;
  const until = parseTimestamp(override.until);
  if (until === undefined || until <= wallNowMs) return undefined;
  const to = override.to === undefined ? undefined : describeWritten(override.to);
  const target = [to, override.datacenter].filter((part) => part !== undefined).join(' in ');
  return `an override to ${target} is in force until ${override.until}`;
}

/** Why a policy that a rollout would write cannot be written. */
export function describeInvalid({ problems, message }: PolicyError): string {
  return `the policy would not be valid: ${problems[0]?.message ?? message}`;
}
