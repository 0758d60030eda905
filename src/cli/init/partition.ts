import type { Instance } from '../../base/instances';
import type { SubsetDocument } from '../../policy/document';
import { SHORT_NAME } from '../../policy/schema-parts';

/** How the instances of a service fall into subsets. */
export interface Partition {
  /** As a person reads it: `tags`, `meta track`. */
  readonly by: string;
  readonly isByVersion: boolean;
  /** Two or more; the base first. */
  readonly parts: readonly Part[];
  /** Name of the part that serves by default. */
  readonly base: string;
  /** Instances in none of them. */
  readonly left: readonly Instance[];
}

interface Group {
  /** What its instances have in common: a tag, or a value of meta. */
  readonly value: string;
  readonly selector: Pick<SubsetDocument, 'tags' | 'meta' | 'filter'>;
  readonly instances: readonly Instance[];
}

interface Part extends Omit<Group, 'value'> {
  /** Of the subset; unique. */
  readonly name: string;
}

interface Candidate {
  readonly by: string;
  readonly key: string;
  readonly groups: readonly Group[];
}

const NEW = /^(?:canary|gray|grey|beta|next|preview|experimental|candidate|green|new|edge)$/i;
const OLD = /^(?:stable|prod|production|primary|baseline|main|current|blue|live|old|base)$/i;
/** Keys whose values tell a role, whatever they are. */
const ROLE_KEY = /^(?:track|lane|role|channel|colou?r|variant|group|subset|deployment|ring)$/i;
const VERSION_KEY = /^(?:version|release|ver|app[-_]version|build-version|image-tag)$/i;
/** Keys that say where an instance is, who owns it or when it came to be: they say nothing of what it runs. */
const OTHER_KEY: RegExp = new RegExp(
  `(?:^|[-_.])(?:${[
    'zone|region|rack|node|host|hostname|az|dc|datacenter|ip|addr|address|port|id|pid|pod|instance|env',
    'time|date|started|commit|sha|owner|team|protocol|external|consul|weight',
  ].join('|')})(?:$|[-_.])`,
  'i',
);
const VERSION = /^v?\d+(?:[._-]\d+){0,3}(?:[-+][\w.-]+)?$/i;
/** More groups are shards or owners, not releases. */
const MOST_PARTS = 5;

/** The way of parting the instances that most likely tells releases apart; undefined when there is none. Pure. */
export function findPartition(instances: readonly Instance[]): Partition | undefined {
  const best = [...tagCandidates(instances), ...metaCandidates(instances)]
    .map((candidate) => ({ candidate, score: scoreOf(candidate, instances.length) }))
    .filter(({ score }) => score > 0)
    // Sorted stably: of equals the first, so tags before meta.
    .sort((a, b) => b.score - a.score)[0]?.candidate;
  return best === undefined ? undefined : partitionOf(best, instances);
}

function metaCandidates(instances: readonly Instance[]): readonly Candidate[] {
  const keys = new Set(instances.flatMap(({ meta }) => Object.keys(meta)));
  return [...keys].sort().map((key): Candidate => {
    const values = valuesOf(instances, ({ meta }) => (Object.hasOwn(meta, key) ? [meta[key] ?? ''] : []));
    const groups = values.map(([value, of]) => ({ value, selector: { meta: { [key]: value } }, instances: of }));
    return { by: `meta ${key}`, key, groups };
  });
}

/** By `key=value` tags, by tags that tell a role, and by tags that are versions. */
function tagCandidates(instances: readonly Instance[]): readonly Candidate[] {
  const byTags = (by: string, key: string, fits: (tag: string) => boolean, prefix = 0): Candidate => {
    const values = valuesOf(instances, ({ tags }) => tags.filter(fits));
    const groups = values.map(([tag, of]) => ({ value: tag.slice(prefix), selector: { tags: [tag] }, instances: of }));
    return { by, key, groups };
  };
  const keyOf = (tag: string): string | undefined => /^([\w.-]+)[=:]/.exec(tag)?.[1];
  const keys = new Set(instances.flatMap(({ tags }) => tags.flatMap((tag) => /^([\w.-]+)[=:]./.exec(tag)?.[1] ?? [])));
  const byPair = [...keys]
    .sort()
    .map((key) => byTags(`tags ${key}=`, key, (tag) => keyOf(tag) === key, key.length + 1));
  const roles = byTags('tags', 'role', (tag) => NEW.test(tag) || OLD.test(tag));
  return [...withOthers(roles, instances), roles, byTags('tags', 'version', (tag) => VERSION.test(tag)), ...byPair];
}

/** Often only the canary has a tag: the others are then those without. */
function withOthers({ by, key, groups }: Candidate, instances: readonly Instance[]): readonly Candidate[] {
  const [only, another] = groups;
  if (only === undefined || another !== undefined || !NEW.test(only.value)) return [];
  const others = instances.filter((instance) => !only.instances.includes(instance));
  const filter = `${JSON.stringify(only.value)} not in Service.Tags`;
  return [{ by, key, groups: [only, { value: 'stable', selector: { filter }, instances: others }] }];
}

function valuesOf(
  instances: readonly Instance[],
  of: (instance: Instance) => readonly string[],
): readonly (readonly [value: string, instances: readonly Instance[]])[] {
  const values = new Map<string, Instance[]>();
  for (const instance of instances) {
    for (const value of of(instance)) values.set(value, [...(values.get(value) ?? []), instance]);
  }
  return [...values];
}

/** 0: the candidate does not part the instances, or says nothing about releases. */
function scoreOf({ key, groups }: Candidate, count: number): number {
  const filled = groups.filter(({ instances }) => instances.length > 0);
  if (filled.length < 2 || filled.length > MOST_PARTS) return 0;
  const members = filled.flatMap(({ instances }) => instances);
  if (new Set(members).size !== members.length) return 0;
  const values = filled.map(({ value }) => value);
  const telling = values.some((value) => NEW.test(value) || OLD.test(value));
  const covered = members.length / count;
  // Instances in no part get no calls. That may be meant for a few, never for most.
  if (covered < 0.5) return 0;
  if (telling) return 100 * covered;
  if (OTHER_KEY.test(key)) return 0;
  if (ROLE_KEY.test(key)) return 80 * covered;
  const areVersions = values.every((value) => VERSION.test(value));
  if (areVersions && (VERSION_KEY.test(key) || key === 'role')) return 60 * covered;
  return VERSION_KEY.test(key) ? 40 * covered : 0;
}

function partitionOf({ by, groups }: Candidate, instances: readonly Instance[]): Partition {
  const filled = groups.filter((group) => group.instances.length > 0);
  const isByVersion = filled.every(({ value }) => VERSION.test(value));
  const names = new Set<string>();
  // These names are easy to type: graylane weight payments canary 5.
  const isPair = isByVersion && filled.length === 2;
  const parts = filled.toSorted(byPrecedence).map(({ value, ...group }, at): Part => {
    const name = isPair ? (at === 0 ? 'stable' : 'canary') : uniqueName(value, names);
    names.add(name);
    return { name, ...group };
  });
  const members = new Set(filled.flatMap((group) => group.instances));
  const left = instances.filter((instance) => !members.has(instance));
  return { by, isByVersion, parts, base: parts[0]?.name ?? '', left };
}

/** What is called stable, else what is not called canary, else the most instances, else the lower version. */
function byPrecedence(a: Group, b: Group): number {
  const rank = ({ value }: Group): number => (OLD.test(value) ? 0 : NEW.test(value) ? 2 : 1);
  const order = rank(a) - rank(b) || b.instances.length - a.instances.length;
  return order || a.value.localeCompare(b.value, 'en', { numeric: true });
}

function uniqueName(value: string, taken: ReadonlySet<string>): string {
  const plain = value
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[^A-Za-z0-9_]+/, '')
    .slice(0, 60);
  const name = SHORT_NAME.test(plain) ? plain : 'subset';
  if (!taken.has(name)) return name;
  let at = 2;
  while (taken.has(`${name}-${at}`)) at += 1;
  return `${name}-${at}`;
}
