import type { Instance } from '../../base/instances';
import { nearest } from '../../base/spelling';
import { atPort } from '../../policy/membership/at-port';
import type { Membership } from '../../policy/membership/membership';
import type { Plan, SubsetPlan } from '../../policy/plan';

const MOST_NAMES = 8;

/**
 * What a subset asks for and what is registered: `stable: none of 4 instances has tag stabel (tags there: stable 3,
 * canary 1); did you mean stable?`.
 */
export function describeSelector(plan: Plan, subset: string, membership: Membership): string {
  const rule = plan.subsets.get(subset);
  if (rule === undefined) return `${subset}: no such subset`;
  if (rule.missing !== undefined) return `${subset}: ${rule.missing}`;
  const own = membership.groups.filter((group) => group.subset === subset);
  const usable = own.flatMap((group) => group.usable);
  const unusable = own.flatMap((group) => group.unusable);
  if (usable.length > 0) return `${subset}: ${count(usable.length)}`;
  if (unusable.length > 0) {
    const why = new Set(unusable.map((each) => membership.whyUnusable(subset, each)));
    return `${subset}: none of its ${count(unusable.length)} is usable (${[...why].join(', ')})`;
  }
  const { datacenters, listed } = membership;
  const all = [...new Set(datacenters.flatMap((datacenter) => listed(datacenter, subset)))];
  if (all.length === 0) return `${subset}: nothing is registered`;
  const inLanes = new Set(
    membership.groups.flatMap(({ isLane, usable, unusable }) => (isLane ? [...usable, ...unusable] : [])),
  );
  const free = rule.takesLanes === true ? all : all.filter((instance) => !inLanes.has(instance));
  if (free.length === all.length) return `${subset}: none of ${count(all.length)} ${unmetCondition(rule, all)}`;
  const keys = plan.lanes?.dimensions.map(({ meta }) => meta).join(', ');
  const rest = free.length === 0 ? '' : `; none of the other ${count(free.length)} ${unmetCondition(rule, free)}`;
  return `${subset}: ${all.length - free.length} of ${count(all.length)} are in lanes (meta ${keys}), so in no subset${rest}`;
}

/** The first condition of the subset that no instance meets, or all of them when none meets all. */
function unmetCondition({ tags, notTags = [], meta, filter, port }: SubsetPlan, all: readonly Instance[]): string {
  for (const tag of tags) {
    if (all.some((instance) => instance.tags.includes(tag))) continue;
    const there = tally(all.flatMap((instance) => instance.tags));
    return `has tag ${tag} (${describeCounts('tags', there)})${suggestion(tag, there)}`;
  }
  if (notTags.length > 0 && all.every((instance) => instance.tags.some((tag) => notTags.includes(tag)))) {
    const there = tally(all.flatMap((instance) => instance.tags));
    return `is without the tags ${notTags.join(', ')} (${describeCounts('tags', there)})`;
  }
  for (const [key, value] of Object.entries(meta)) {
    const holders = all.filter((instance) => Object.hasOwn(instance.meta, key));
    if (holders.length === 0) {
      const there = tally(all.flatMap((instance) => Object.keys(instance.meta)));
      return `has meta ${key} (${describeCounts('meta keys', there)})${suggestion(key, there)}`;
    }
    if (holders.some((instance) => instance.meta[key] === value)) continue;
    const there = tally(holders.map((instance) => instance.meta[key] ?? ''));
    return `has meta ${key}: ${value} (${describeCounts('values', there)})${suggestion(value, there)}`;
  }
  if (port !== undefined && all.every((instance) => atPort(instance, port) === undefined)) {
    const there = tally(all.flatMap(({ ports = [] }) => ports.map(({ name }) => name)));
    return `has a port named ${port} (${describeCounts('ports', there)})${suggestion(port, there)}`;
  }
  if (filter !== undefined) return `is matched by its filter ${filter}`;
  const asked = [
    ...tags.map((tag) => `tag ${tag}`),
    ...notTags.map((tag) => `no tag ${tag}`),
    ...Object.entries(meta).map((pair) => `meta ${pair.join(': ')}`),
    ...(port === undefined ? [] : [`a port named ${port}`]),
  ];
  return `has ${asked.join(' and ')} together`;
}

function tally(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}

function describeCounts(what: string, there: ReadonlyMap<string, number>): string {
  if (there.size === 0) return `${what} there: none`;
  const shown = [...there].slice(0, MOST_NAMES).map(([name, many]) => `${name} ${many}`);
  return `${what} there: ${shown.join(', ')}${there.size > MOST_NAMES ? ', ...' : ''}`;
}

function suggestion(word: string, there: ReadonlyMap<string, number>): string {
  const found = nearest(word, there.keys());
  return found === undefined ? '' : `; did you mean ${found}?`;
}

function count(instances: number): string {
  return instances === 1 ? '1 instance' : `${instances} instances`;
}
