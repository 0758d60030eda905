import type { Instance } from '../../../base/instances';
import { shortenMiddle } from '../../../base/shorten';
import { nearest } from '../../../base/spelling';
import type { Membership } from '../../../policy/membership/membership';
import type { SubsetPlan } from '../../../policy/plan';

/** Tags and values that are named at most, and characters of each. */
const MOST = 5;
const MOST_LENGTH = 40;
const MOST_FAULT_LENGTH = 200;

/** One text for each subset and place of a membership, since each call that is refused asks for it. */
const told = new WeakMap<Membership, Map<string, string>>();

/**
 * Why a subset has nobody: that nobody is registered, with the name of a service that is near, or that those who are have
 * other tags, with those that were likely meant. `where`: the datacenters in words.
 */
export function describeEmpty(
  subset: SubsetPlan | undefined,
  datacenters: readonly string[],
  where: string,
  membership: Membership,
): string {
  let texts = told.get(membership);
  if (texts === undefined) {
    texts = new Map();
    told.set(membership, texts);
  }
  const key = `${subset?.name}\n${where}`;
  let text = texts.get(key);
  if (text === undefined) {
    text = describe(subset, datacenters, where, membership);
    texts.set(key, text);
  }
  return text;
}

function describe(
  subset: SubsetPlan | undefined,
  datacenters: readonly string[],
  where: string,
  membership: Membership,
): string {
  const listed = datacenters.flatMap((datacenter) => membership.listed(datacenter));
  if (listed.length === 0 || subset === undefined) {
    const { similar, fault } = membership;
    if (fault !== undefined) return `0 instances in ${where} that can be called (${plain(fault)})`;
    return `0 instances in ${where}${similar === undefined ? '' : ` (no such service is registered; did you mean ${short(similar)}?)`}`;
  }
  const meant = meantBy(subset, listed);
  const hint = meant.length === 0 ? '' : `; did you mean ${meant.slice(0, MOST).join(', ')}?`;
  return `${listed.length} registered in ${where}, none in ${subset.name} (${selectorOf(subset)})${hint}`;
}

function selectorOf({ tags, meta, filter, port }: SubsetPlan): string {
  const pairs = Object.entries(meta).map(([key, value]) => `${short(key)}: ${short(value)}`);
  return [
    ...(tags.length === 0 ? [] : [`tags: [${tags.slice(0, MOST).map(short).join(', ')}]`]),
    ...(pairs.length === 0 ? [] : [`meta: { ${pairs.slice(0, MOST).join(', ')} }`]),
    ...(filter === undefined ? [] : [`filter: ${short(filter)}`]),
    ...(port === undefined ? [] : [`port: ${short(port)}`]),
  ].join(', ');
}

/** What is near to what nobody has. */
function meantBy({ tags, meta, port }: SubsetPlan, listed: readonly Instance[]): readonly string[] {
  const there = new Set(listed.flatMap((instance) => instance.tags));
  const ofTags = tags.flatMap((tag) => (there.has(tag) ? [] : (nearest(tag, there) ?? [])));
  const ofMeta = Object.entries(meta).flatMap(([key, value]) => {
    const values = new Set(listed.flatMap((instance) => instance.meta[key] ?? []));
    if (values.size === 0) {
      const near = nearest(key, new Set(listed.flatMap((instance) => Object.keys(instance.meta))));
      return near === undefined ? [] : [`${short(near)}: ${short(value)}`];
    }
    const near = values.has(value) ? undefined : nearest(value, values);
    return near === undefined ? [] : [`${short(key)}: ${short(near)}`];
  });
  const ports = new Set(listed.flatMap((instance) => instance.ports?.map(({ name }) => name) ?? []));
  const ofPort = port === undefined || ports.has(port) ? undefined : nearest(port, ports);
  return [...ofTags.map(short), ...ofMeta, ...(ofPort === undefined ? [] : [`port ${short(ofPort)}`])];
}

/** Names come out of a registry that anybody may write to. */
function short(text: string): string {
  const shown = plain(text);
  return shown.length > MOST_LENGTH ? `${shown.slice(0, MOST_LENGTH)}...` : shown;
}

function plain(text: string): string {
  return shortenMiddle(text.replace(/[\p{Cc}\p{Cf}]+/gu, ' '), MOST_FAULT_LENGTH);
}
