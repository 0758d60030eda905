import type { Clock } from '../../base/clock';
import { shortenMiddle } from '../../base/shorten';
import { nearest } from '../../base/spelling';
import type { Plan } from '../plan';
import type { Labels } from '../routing/call';
import type { LaneLookup } from './lane-lookup';
import { currentValue } from './lane-table';
import { type LaneValues, laneName } from './lane-values';

/** What became of the lane that a call asks for. */
export interface ExplainedLane {
  /** As the call's labels name it. */
  readonly asked: string;
  /**
   * `found`: it has instances, or the same lane with fewer dimensions has. `missing`: nobody is in it, so the fallback
   * or the routes decide. `refused`: nobody is in it, and it is strict. `ended`: it is no lane any more. `overridden`:
   * an override decided before.
   */
  readonly result: 'found' | 'missing' | 'refused' | 'ended' | 'overridden';
  /** Why the call does not go to it; undefined when it does. */
  readonly reason?: string;
}

const MOST_NAMED = 10;
/** A slip of the pen is looked for among no more. */
const MOST_COMPARED = 200;
const MOST_CHARACTERS = 40;

/** Undefined for a call that asks for no lane. `lane`: the one that the decision leads to. */
export function explainLane(
  plan: Plan,
  lanes: LaneLookup | undefined,
  labels: Labels,
  clock: Clock,
  decided: { readonly lane: string | undefined; readonly isRefused: boolean; readonly isOverridden: boolean },
): ExplainedLane | undefined {
  const values = plan.lanes?.dimensions.map(({ by }) => labels.get(by) || undefined);
  if (values === undefined || values.every((value) => value === undefined)) return undefined;
  const asked = laneName(values);
  if (decided.isOverridden) return { asked, result: 'overridden' };
  if (decided.lane === asked) return { asked, result: 'found' };
  const current = currentValues(plan, values, clock);
  const ended = values.filter((value, at) => value !== undefined && current[at] === undefined).map(short);
  const why = ended.length === 0 ? [] : [`${ended.join(', ')} has ended (lanes.ends)`];
  if (decided.lane !== undefined) {
    const isLeft = decided.lane !== laneName(current);
    const reason = [...why, ...(isLeft ? [`nobody is in ${short(laneName(current))}`] : []), `goes to ${decided.lane}`];
    return { asked, result: 'found', reason: reason.join('; ') };
  }
  if (current.every((value) => value === undefined)) return { asked, result: 'ended', reason: why.join('; ') };
  const reason = [...why, describeMissing(plan, lanes, labels, clock)].join('; ');
  return { asked, result: decided.isRefused ? 'refused' : 'missing', reason };
}

/** `no instance is in lane pr-43 (x-lane); lanes there: pr-42, pr-44; did you mean pr-42?` */
export function describeMissing(plan: Plan, lanes: LaneLookup | undefined, labels: Labels, clock: Clock): string {
  const dimensions = plan.lanes?.dimensions ?? [];
  const values = dimensions.map(({ by }) => labels.get(by) || undefined);
  const name = laneName(currentValues(plan, values, clock));
  const keys = dimensions.map(({ by }) => by).join(', ');
  const there: string[] = [];
  for (const [each, { endsAtMs }] of lanes?.lanes ?? []) {
    if (endsAtMs !== undefined && clock.wallNow() >= endsAtMs) continue;
    there.push(each);
    if (there.length === MOST_COMPARED) break;
  }
  const shown = there.slice(0, MOST_NAMED).map(short).join(', ');
  const more = (lanes?.lanes.size ?? 0) > MOST_NAMED ? ', ...' : '';
  const meant = nearest(name, there);
  const hint = meant === undefined ? '' : `; did you mean ${short(meant)}?`;
  return `no instance is in lane ${short(name)} (${keys}); lanes there: ${there.length === 0 ? 'none' : `${shown}${more}`}${hint}`;
}

function currentValues(plan: Plan, values: LaneValues, clock: Clock): LaneValues {
  return (plan.lanes?.dimensions ?? []).map((dimension, at) => currentValue(values[at], dimension, clock));
}

/** Names come from callers and out of a registry. */
function short(text: string | undefined): string {
  return shortenMiddle((text ?? '').replace(/[\p{Cc}\p{Cf}]+/gu, ' '), MOST_CHARACTERS);
}
