import { isRecord } from '../internal/is-record';
import { isSameInstance } from './same-instance';
import type { Instance } from './source';
import { buildInstance, isMadeOf, problemsOf, type StaticInstance, show } from './static-instance';

/** What the list of one service amounts to. */
export interface StaticList {
  /** In the order of their keys. */
  readonly instances: readonly Instance[];
  /** As they were listed. */
  readonly listed: readonly Instance[];
}

/**
 * The instances of one service, or what is wrong with them: every problem, as `path: value (expected: ...)`. Pure. Those of
 * `former`, which this made earlier, are handed over again where nothing changed.
 */
export function parseStaticList(
  list: unknown,
  path: string,
  defaultDatacenter: string,
  former: StaticList | undefined,
): { readonly list: StaticList; readonly problems: readonly string[] } {
  if (!Array.isArray(list)) {
    return { list: EMPTY, problems: [`${path}: ${show(list)} (expected: a list of instances)`] };
  }
  const problems: string[] = [];
  const parsed: (Instance | undefined)[] = [];
  const before = new FormerInstances(former ?? EMPTY, defaultDatacenter);
  for (const [at, given] of (list as readonly unknown[]).entries()) {
    let instance = before.unchanged(given);
    if (instance === undefined) {
      const found = problemsOf(given, path, at);
      if (found.length === 0) instance = before.sameAs(buildInstance(given as StaticInstance, defaultDatacenter));
      else problems.push(...found);
    }
    parsed.push(instance);
  }
  if (former !== undefined && before.isAll(parsed)) return { list: former, problems };
  const places = placesOf(parsed, path, list.some(hasId), problems);
  const listed = parsed.filter((instance) => instance !== undefined);
  return { list: { instances: inOrder(parsed, former ?? EMPTY, places), listed }, problems };
}

const EMPTY: StaticList = { instances: [], listed: [] };

/** Finds the instances of the list before, at little cost as long as the order is much the same. */
class FormerInstances {
  readonly #former: StaticList;
  readonly #defaultDatacenter: string;
  #byKey: ReadonlyMap<string, Instance> | undefined;
  /** The first of the list before that nothing has been compared with successfully. */
  #next = 0;
  /** Entries since then that were not found. */
  #missed = 0;

  constructor(former: StaticList, defaultDatacenter: string) {
    this.#former = former;
    this.#defaultDatacenter = defaultDatacenter;
  }

  /** The instance that stood about there and was made of the same. */
  unchanged(given: unknown): Instance | undefined {
    const { listed } = this.#former;
    if (listed.length === 0) return undefined;
    // After entries that are new, after as many that were replaced, after one that is gone.
    for (const step of [0, this.#missed, 1]) {
      const instance = listed[this.#next + step];
      if (instance === undefined || !isMadeOf(instance, given, this.#defaultDatacenter)) continue;
      this.#next += step + 1;
      this.#missed = 0;
      return instance;
    }
    this.#missed += 1;
    return undefined;
  }

  /** The former instance where it says the same, else the one given. */
  sameAs(instance: Instance): Instance {
    this.#byKey ??= new Map(this.#former.instances.map((each) => [each.key, each]));
    const former = this.#byKey.get(instance.key);
    return former !== undefined && isSameInstance(former, instance) ? former : instance;
  }

  /** Whether these are all of them, in the same order. */
  isAll(parsed: readonly (Instance | undefined)[]): boolean {
    const { listed } = this.#former;
    return parsed.length === listed.length && parsed.every((instance, at) => instance === listed[at]);
  }
}

/** Where in the list each key stands. Tells of instances that are given twice. */
function placesOf(
  parsed: readonly (Instance | undefined)[],
  path: string,
  areNamed: boolean,
  problems: string[],
): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  const endpoints = new Map<string, number>();
  for (const [at, instance] of parsed.entries()) {
    if (instance === undefined) continue;
    const tell = (what: string, first: number): void => {
      problems.push(`${path}[${at}]: ${what} (expected: not the same as ${path}[${first}])`);
    };
    const first = put(places, instance.key, at);
    if (first !== undefined) tell(instance.key, first);
    // Where none has an ID of its own, the keys tell endpoints apart, too.
    if (first === undefined && !areNamed) continue;
    const endpoint = `${instance.datacenter}/${instance.address}:${instance.port}`;
    const firstThere = areNamed ? put(endpoints, endpoint, at) : first;
    if (firstThere !== undefined) tell(endpoint, firstThere);
  }
  return places;
}

function put(places: Map<string, number>, key: string, at: number): number | undefined {
  const first = places.get(key);
  if (first === undefined) places.set(key, at);
  return first;
}

/** By key. What was there before was sorted then, and to sort what is sorted but for its end costs little. */
function inOrder(
  parsed: (Instance | undefined)[],
  former: StaticList,
  places: ReadonlyMap<string, number>,
): readonly Instance[] {
  const sorted: Instance[] = [];
  const take = (at: number): void => {
    const instance = parsed[at];
    if (instance !== undefined) sorted.push(instance);
    parsed[at] = undefined;
  };
  for (const { key } of former.instances) {
    const at = places.get(key);
    if (at !== undefined) take(at);
  }
  for (let at = 0; at < parsed.length; at += 1) take(at);
  return sorted.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function hasId(given: unknown): boolean {
  return isRecord(given) && given['id'] !== undefined;
}
