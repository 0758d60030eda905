import type { Instance } from '../../base/instances';
import { nearest } from '../../base/spelling';
import type { Plan } from '../plan';
import type { Membership } from './membership';

/** Instances that a message names, and is about; the others are counted. */
const MOST_NAMED = 3;

/** Instances that are in no subset, so that no call gets to them. */
export interface Unassigned {
  /** `1 of 4 instances is in no subset and gets no calls: s4 (tags: stabel); did you mean tag stable?` */
  readonly text: string;
  /** What of them is spelt almost as a subset asks for it; undefined where they are most likely meant to be left out. */
  readonly slip: Slip | undefined;
}

interface Slip {
  /** `tag stabel`, `meta verison`, `meta version: v1x` */
  readonly found: string;
  readonly meant: string;
}

/** Undefined where every instance is in a subset, or where none is: then the subsets are at fault, which is told of them. */
export function unassignedOf(plan: Plan, membership: Membership): Unassigned | undefined {
  const { unassigned, groups } = membership;
  if (unassigned.length === 0 || groups.length === 0) return undefined;
  const assigned = [...new Set(groups.flatMap(({ usable, unusable }) => [...usable, ...unusable]))];
  const first = unassigned.slice(0, MOST_NAMED);
  const slip = first.map((instance) => slipOf(instance, plan, assigned)).find((each) => each !== undefined);
  const named = first.map(({ id, tags }) => `${id} (tags: ${tags.join(' ') || 'none'})`).join(', ');
  const more = unassigned.length > MOST_NAMED ? ` and ${unassigned.length - MOST_NAMED} more` : '';
  const all = unassigned.length + assigned.length;
  const [are, get] = unassigned.length === 1 ? ['is', 'gets'] : ['are', 'get'];
  const hint = slip === undefined ? '' : `; did you mean ${slip.meant}?`;
  const text = `${unassigned.length} of ${all} instances ${are} in no subset and ${get} no calls: ${named}${more}${hint}`;
  return { text, slip };
}

/** What no other instance has either is a slip of the policy, not of this registration. */
function slipOf({ tags, meta }: Instance, plan: Plan, others: readonly Instance[]): Slip | undefined {
  const subsets = [...plan.subsets.values()];
  const wantedTags = subsets
    .flatMap((subset) => subset.tags)
    .filter((tag) => others.some((other) => other.tags.includes(tag)));
  const wantedMeta = subsets
    .flatMap((subset) => Object.entries(subset.meta))
    .filter(([key, value]) => others.some((other) => other.meta[key] === value));
  const wantedKeys = wantedMeta.map(([key]) => key);
  for (const tag of tags) {
    const meant = meantBy(tag, wantedTags);
    if (meant !== undefined) return { found: `tag ${tag}`, meant: `tag ${meant}` };
  }
  for (const [key, value] of Object.entries(meta)) {
    const meantKey = meantBy(key, wantedKeys);
    if (meantKey !== undefined && !Object.hasOwn(meta, meantKey)) {
      return { found: `meta ${key}`, meant: `meta ${meantKey}` };
    }
    const values = wantedMeta.filter(([wanted]) => wanted === key).map(([, wanted]) => wanted);
    const meantValue = meantBy(value, values);
    if (meantValue !== undefined) return { found: `meta ${key}: ${value}`, meant: `meta ${key}: ${meantValue}` };
  }
  return undefined;
}

/** `v3` is a version beside `v2`, no slip of the pen. */
function meantBy(word: string, wanted: readonly string[]): string | undefined {
  if (wanted.includes(word)) return undefined;
  const isSibling = (each: string): boolean => withoutDigits(each) === withoutDigits(word);
  return nearest(
    word,
    wanted.filter((each) => !isSibling(each)),
  );
}

function withoutDigits(text: string): string {
  return text.replace(/\d/g, '');
}
