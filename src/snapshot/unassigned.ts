import type { Instance } from '../discovery/source';
import { nearest } from '../internal/spelling';
import type { Plan } from '../policy/plan';
import type { Membership } from './membership';

/** Instances that a message names; the others are counted. */
const MOST_NAMED = 3;

/** Instances that are in no subset, so that no call gets to them. */
export interface Unassigned {
  /** `1 of 4 instances is in no subset and gets no calls: s4 (tags: stabel); did you mean tag stable?` */
  readonly text: string;
  /** Something of them is spelt almost as a subset asks for it. */
  readonly isSlip: boolean;
}

/** Undefined where every instance is in a subset, or where none is: then the subsets are at fault, which is told of them. */
export function unassignedOf(plan: Plan, membership: Membership): Unassigned | undefined {
  const { unassigned, groups } = membership;
  if (unassigned.length === 0 || groups.length === 0) return undefined;
  const assigned = new Set(groups.flatMap(({ usable, unusable }) => [...usable, ...unusable]));
  const hints = unassigned.slice(0, MOST_NAMED).map((instance) => meantBy(instance, plan, [...assigned]));
  const named = unassigned.slice(0, MOST_NAMED).map(({ id, tags }) => `${id} (tags: ${tags.join(' ') || 'none'})`);
  const more = unassigned.length > MOST_NAMED ? ` and ${unassigned.length - MOST_NAMED} more` : '';
  const all = unassigned.length + assigned.size;
  const [are, gets] = unassigned.length === 1 ? ['is', 'gets'] : ['are', 'get'];
  const hint = hints.find((each) => each !== undefined);
  const meant = hint === undefined ? '' : `; did you mean ${hint}?`;
  return {
    text: `${unassigned.length} of ${all} instances ${are} in no subset and ${gets} no calls: ${named.join(', ')}${more}${meant}`,
    isSlip: hint !== undefined,
  };
}

/**
 * The tag, meta key or value of a subset that something of the instance is almost spelt as. What no other instance has either is
 * a slip of the policy, not of this registration.
 */
function meantBy({ tags, meta }: Instance, plan: Plan, others: readonly Instance[]): string | undefined {
  const subsets = [...plan.subsets.values()];
  const wantedTags = subsets
    .flatMap((subset) => subset.tags)
    .filter((tag) => others.some((one) => one.tags.includes(tag)));
  const wantedMeta = subsets
    .flatMap((subset) => Object.entries(subset.meta))
    .filter(([key, value]) => others.some((one) => one.meta[key] === value));
  for (const tag of tags) {
    const meant = slipOf(tag, wantedTags);
    if (meant !== undefined) return `tag ${meant}`;
  }
  for (const [key, value] of Object.entries(meta)) {
    const meantKey = slipOf(
      key,
      wantedMeta.map(([wanted]) => wanted),
    );
    if (meantKey !== undefined && !Object.hasOwn(meta, meantKey)) return `meta ${meantKey}`;
    const values = wantedMeta.filter(([wanted]) => wanted === key).map(([, wanted]) => wanted);
    const meantValue = slipOf(value, values);
    if (meantValue !== undefined) return `meta ${key}: ${meantValue}`;
  }
  return undefined;
}

/** `v3` is a version beside `v2`, no slip of the pen. */
function slipOf(word: string, wanted: readonly string[]): string | undefined {
  if (wanted.includes(word)) return undefined;
  return nearest(
    word,
    wanted.filter((each) => withoutDigits(each) !== withoutDigits(word)),
  );
}

function withoutDigits(text: string): string {
  return text.replace(/\d/g, '');
}
