import { isRecord } from '../../base/is-record';
import { type Difference, findDifferences } from '../../ops/compare/differences';
import { findMovedCallers, type MovedCallers } from '../../ops/compare/moved-callers';
import type { Effect } from '../../ops/effect/effect';
import type { StoredPolicy } from '../../ops/store/history';
import { compileStored, documentText, parseStored } from '../../ops/store/policy-text';
import { compilePolicy } from '../../policy/compile';
import type { OverrideDocument, PolicyDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { type CapacityJudge, capacityIn } from '../consul/capacity';
import { type EffectJudge, effectIn } from '../consul/registry-view';
import { type Failure, nameOf, noteFailure, readAll, type StoreSession } from '../consul/store-session';
import type { CommandIo } from '../io';

const NOT_VALID_NOW = 'what stands in Consul now is not a valid policy; clients go on with the last valid one';

/** The change that a new text would make in one datacenter, and the problems with it. */
export interface PlannedChange {
  readonly stored: StoredPolicy;
  readonly text: string;
  readonly after: Plan;
  /** Undefined without a policy, or with one that is not valid. */
  readonly before: Plan | undefined;
  readonly differences: readonly Difference[];
  readonly moved: readonly MovedCallers[];
  /** Routes whose sticky callers would be reshuffled, each as a sentence. */
  readonly reshuffles: readonly string[];
  /** Subsets that could not carry their share, each as a sentence. */
  readonly overloads: readonly string[];
  /** The effect on calls; undefined when the instances could not be read, or when it was not judged. */
  readonly effect: Effect | undefined;
  /** Worth telling. */
  readonly remarks: readonly string[];
}

/**
 * Plans the change of one datacenter. An override that is in force stays, unless the new text has its own: it was set
 * for an incident that the file does not know. Throws a PolicyError when the text is not a valid policy of the service.
 */
export async function planChange(
  stored: StoredPolicy,
  newText: string,
  judgeCapacity: CapacityJudge | undefined,
  judgeEffect?: EffectJudge,
): Promise<PlannedChange> {
  const { service, policy } = stored;
  const kept = overrideInForce(policy?.text);
  const text = kept === undefined ? newText : withOverride(newText, kept);
  const after = compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv' });
  const compiled = policy === undefined ? undefined : compileStored(service, policy.text);
  const before = compiled instanceof PolicyError ? undefined : compiled;
  const moved = before === undefined ? [] : findMovedCallers(before, after);
  const differences = findDifferences(policy === undefined ? {} : parseStored(policy.text), parseStored(text));
  const judged = await judgeCapacity?.(before, after);
  const effect = await judgeEffect?.(before, after);
  const known = effect === undefined || 'failure' in effect ? undefined : effect;
  const isNewIn = (subset: string): boolean =>
    known?.findings.some((finding) => finding.isNew && finding.subset === subset) === true;
  const empties = (judged?.empties ?? []).filter(({ subset }) => !isNewIn(subset)).map((each) => each.text);
  const failure = effect !== undefined && 'failure' in effect ? [effect.failure] : [];
  return {
    ...{ stored, text, before, after, differences, moved, effect: known },
    reshuffles: moved.flatMap(describeReshuffle),
    overloads: [...(judged?.overloads ?? []), ...empties],
    remarks: [
      ...(compiled instanceof PolicyError ? [NOT_VALID_NOW] : []),
      ...(kept !== undefined && text !== newText
        ? [`the override until ${kept.until} stays in force; graylane override clear ${service} ends it`]
        : []),
      ...(judged?.remarks ?? []),
      ...(known === undefined ? failure : remarksOf(known)),
    ],
  };
}

/** The new policy would be the same. */
export function isUnchanged({ differences, stored }: PlannedChange): boolean {
  return differences.length === 0 && stored.policy !== undefined && stored.policy.needsSigning !== true;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Problems that exist already, and neutral remarks. */
function remarksOf({ findings, remarks }: Effect): readonly string[] {
  return [...findings.filter(({ isNew }) => !isNew).map(({ text }) => `as it is now: ${text}`), ...remarks];
}

/** Problems that the change would cause for calls, each as a sentence. */
export function effectProblemsOf({ effect }: Pick<PlannedChange, 'effect'>): readonly string[] {
  return (effect?.findings ?? []).filter(({ isNew }) => isNew).map(({ text }) => text);
}

function overrideInForce(text: string | undefined): OverrideDocument | undefined {
  const override = text === undefined ? undefined : ownValue(parseStored(text), 'override');
  const until = parseTimestamp(String(ownValue(override, 'until')));
  return until === undefined || until <= Date.now() ? undefined : (override as OverrideDocument);
}

/** Adds the override. A text with an override of its own, or a tombstone, stays unchanged. */
function withOverride(text: string, override: OverrideDocument): string {
  const document = parseStored(text);
  if (!isRecord(document) || 'override' in document || 'tombstone' in document) return text;
  return documentText({ ...document, override } as unknown as PolicyDocument);
}

function describeReshuffle({ route, of, moved, needed, reshuffled }: MovedCallers): readonly string[] {
  if (reshuffled === undefined) return [];
  const what = of === 'split' ? 'sticky callers move' : 'callers move into or out of the sample';
  return [`route ${route}: ${percent(moved)} of its ${what}, where ${percent(needed)} would do: ${reshuffled}`];
}

/** A reason to refuse a change, and the flag that overrules it. */
export interface Refusal {
  readonly text: string;
  readonly flag: string;
}

/** What a text would change in each datacenter asked about. */
export interface PlannedService {
  readonly service: string;
  readonly again: string;
  readonly changes: readonly PlannedChange[];
  /** Of datacenters that did not say what they have. */
  readonly failures: readonly Failure[];
}

/** A new policy of a service. */
export interface PolicyText {
  readonly service: string;
  /** The text, or what makes it from the stored policy of one datacenter, and those of all datacenters. */
  readonly text: string | ((stored: StoredPolicy, all: readonly StoredPolicy[]) => string);
  /** What to do after a lost race. */
  readonly again: string;
}

/** What makes a change one that is not refused. */
export interface ApplyLimits {
  readonly allowReshuffle?: boolean;
  readonly force?: boolean;
  readonly maxLoadFactor: number;
  readonly ifRevision?: string;
}

/**
 * Reads the policy of each datacenter and judges the change to `text`. Throws a CommandError when no datacenter
 * answers. Without `limits` the change is only shown, and unreadable instances are a remark; with `limits` they throw a
 * CommandError.
 */
export async function planService(
  { service, text, again }: PolicyText,
  session: StoreSession,
  limits: ApplyLimits | undefined,
): Promise<PlannedService> {
  const readings = await readAll(session, service);
  const all = readings.flatMap((reading) => ('stored' in reading ? [reading.stored] : []));
  const changes: PlannedChange[] = [];
  for (const stored of all) {
    const capacity = limits === undefined ? undefined : capacityIn(session.connection, stored, limits.maxLoadFactor);
    const effect = effectIn(session.connection, stored, { tolerant: limits === undefined });
    const own = typeof text === 'string' ? text : text(stored, all);
    changes.push(await planChange(stored, own, capacity, effect));
  }
  return { service, again, changes, failures: readings.filter((reading) => 'failure' in reading) };
}

/** `isSeveral`: the texts name the service, too. */
export function refusalsOf({ changes }: PlannedService, limits: ApplyLimits, isSeveral: boolean): readonly Refusal[] {
  const { ifRevision, allowReshuffle, force } = limits;
  return changes.flatMap((change) => {
    const { service, datacenter } = change.stored;
    const place = isSeveral ? `${service} in ${nameOf(datacenter)}` : nameOf(datacenter);
    const found = change.before?.revision ?? 'none';
    const isExpected = ifRevision === undefined || (ifRevision.length >= 4 && found.startsWith(ifRevision));
    const stale = isExpected ? [] : [`revision ${found} is in force (expected: ${ifRevision})`];
    const reasons: readonly (readonly [flag: string, texts: readonly string[]])[] = [
      ['look at graylane policy log', stale],
      ['--allow-reshuffle', allowReshuffle === true ? [] : change.reshuffles],
      ['--force', force === true ? [] : [...effectProblemsOf(change), ...change.overloads]],
    ];
    return reasons.flatMap(([flag, texts]) => texts.map((text) => ({ flag, text: `${place}: ${text}` })));
  });
}

/** At least one datacenter would be written to. */
export function isDifferent({ changes }: PlannedService): boolean {
  return !changes.every(isUnchanged);
}

/** Sets exit code 1 when a datacenter did not answer. */
export function noteFailures({ service, failures }: PlannedService, isSeveral: boolean, io: CommandIo): void {
  for (const each of failures) noteFailure(each, io, isSeveral ? service : undefined);
}
