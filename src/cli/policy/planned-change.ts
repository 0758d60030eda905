import { isRecord } from '../../base/is-record';
import { type Difference, findDifferences } from '../../ops/compare/differences';
import { findMovedCallers, type MovedCallers } from '../../ops/compare/moved-callers';
import type { Effect } from '../../ops/effect/effect';
import { documentText, parseStored, type StoredPolicy } from '../../ops/store/policy-store';
import { compilePolicy } from '../../policy/compile';
import type { OverrideDocument, PolicyDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import type { Capacity } from '../consul/capacity';
import type { EffectJudge } from '../consul/registry-view';

/** What a new text would change in one datacenter, and what speaks against it. */
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
  /** What it would do to calls; undefined when the instances could not be read, or nobody asked. */
  readonly effect: Effect | undefined;
  /** Worth telling. */
  readonly remarks: readonly string[];
}

/**
 * An override that is in force stays, unless the new text has one of its own: it was set by somebody for an incident, and
 * a file knows nothing of it. Throws a PolicyError when the text is no valid policy of the service.
 */
export async function planChange(
  stored: StoredPolicy,
  newText: string,
  capacity: Capacity | undefined,
  judgeEffect?: EffectJudge,
): Promise<PlannedChange> {
  const { service, policy } = stored;
  const kept = overrideInForce(policy?.text);
  const text = kept === undefined ? newText : withOverride(newText, kept);
  const after = compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv' });
  const { plan: before, remark } = compileStored(service, policy?.text);
  const moved = before === undefined ? [] : findMovedCallers(before, after);
  const differences = findDifferences(policy === undefined ? {} : parseStored(policy.text), parseStored(text));
  const judged = capacity === undefined ? undefined : await capacity.judge(before, after);
  const effect = await judgeEffect?.(before, after);
  const overloads = judged?.overloads ?? [];
  const findings = effect === undefined || 'failure' in effect ? [] : effect.findings;
  const empties = (judged?.empties ?? [])
    .filter(({ subset }) => !findings.some((finding) => finding.isNew && finding.subset === subset))
    .map(({ text }) => text);
  return {
    stored,
    text,
    before,
    after,
    differences,
    moved,
    reshuffles: moved.flatMap((each) => describeReshuffle(each)),
    overloads: [...overloads, ...empties],
    effect: effect === undefined || 'failure' in effect ? undefined : effect,
    remarks: [
      ...(remark === undefined ? [] : [remark]),
      ...(kept !== undefined && text !== newText ? [overrideStays(service, kept)] : []),
      ...(judged?.remarks ?? []),
      ...(effect === undefined ? [] : 'failure' in effect ? [effect.failure] : remarksOf(effect)),
    ],
  };
}

/** Nothing of it would be another policy. */
export function isUnchanged({ differences, stored }: PlannedChange): boolean {
  return differences.length === 0 && stored.policy !== undefined;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** What is so already, and what speaks neither for nor against the change. */
function remarksOf({ findings, remarks }: Effect): readonly string[] {
  return [...findings.filter(({ isNew }) => !isNew).map(({ text }) => `as it is now: ${text}`), ...remarks];
}

/** What speaks against a change because of what it does to calls, each as a sentence. */
export function harmsOf({ effect }: Pick<PlannedChange, 'effect'>): readonly string[] {
  return (effect?.findings ?? []).filter(({ isNew }) => isNew).map(({ text }) => text);
}

function overrideInForce(text: string | undefined): OverrideDocument | undefined {
  const override = text === undefined ? undefined : ownValue(parseStored(text), 'override');
  const until = parseTimestamp(String(ownValue(override, 'until')));
  return until === undefined || until <= Date.now() ? undefined : (override as OverrideDocument);
}

/** The text as it is when it has an override of its own, or is a tombstone, which stands alone. */
function withOverride(text: string, override: OverrideDocument): string {
  const document = parseStored(text);
  if (!isRecord(document) || 'override' in document || 'tombstone' in document) return text;
  return documentText({ ...document, override } as unknown as PolicyDocument);
}

function overrideStays(service: string, { until }: OverrideDocument): string {
  return `the override until ${until} stays in force; graylane override clear ${service} ends it`;
}

function describeReshuffle({ route, of, moved, needed, reshuffled }: MovedCallers): readonly string[] {
  if (reshuffled === undefined) return [];
  const what = of === 'split' ? 'sticky callers move' : 'callers move into or out of the sample';
  return [`route ${route}: ${percent(moved)} of its ${what}, where ${percent(needed)} would do: ${reshuffled}`];
}

function compileStored(service: string, text: string | undefined): { readonly plan?: Plan; readonly remark?: string } {
  if (text === undefined) return {};
  try {
    return { plan: compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv' }) };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { remark: 'what stands in Consul now is not a valid policy; clients go on with the last valid one' };
  }
}
