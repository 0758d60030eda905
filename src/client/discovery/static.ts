import { GraylaneError } from '../../base/errors';
import type { Instance } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import { type Logger, silentLogger } from '../../base/logger';
import { throwProblems } from '../../base/option-reader';
import { showValue } from '../../base/shorten';
import { isSameInstance } from '../../consul/health-answer';
import { createListedServices, DEFAULT_DATACENTER } from './listed-services';
import type { Source } from './source';
import { buildInstance, isMadeOf, problemsOf, type StaticInstance, type StaticServices } from './static-instance';

interface StaticSourceOptions {
  /** The local one first. Default: `local`; others that instances name follow by name. */
  readonly datacenters?: readonly string[] | undefined;
  readonly logger?: Logger;
}

/** Instances written down in code. A service that is not listed has none, and that is known. */
export interface StaticSource extends Source {
  /** Replaces the instances of one service. Throws INVALID_INSTANCE with every problem, and then changes nothing. */
  set(service: string, instances: readonly StaticInstance[]): void;
}

/** Throws a `GraylaneError` INVALID_INSTANCE that lists every problem, one a line. */
export function createStaticSource(initial: StaticServices = {}, options: StaticSourceOptions = {}): StaticSource {
  const order = options.datacenters ?? [];
  const listed = createListedServices(order, options.logger ?? silentLogger);
  const parse = createServicesParser(order);
  let services = parse(initial);
  let closed = false;
  listed.update(services, { kind: 'fresh' }, true);
  return {
    set(service, instances) {
      services = new Map([...services, ...parse({ [service]: instances })]);
      if (!closed) listed.update(services, { kind: 'fresh' }, true);
    },
    watch(request, listener) {
      if (closed) throw new GraylaneError('CLIENT_CLOSED', 'this source of instances is closed');
      return listed.watch(request, listener);
    },
    close() {
      closed = true;
      listed.close();
    },
  };
}

/**
 * Reads instances by service: checked and complete, or INVALID_INSTANCE with every problem. What it read before it
 * hands over again where nothing changed.
 */
export function createServicesParser(
  order: readonly string[],
): (given: unknown) => ReadonlyMap<string, readonly Instance[]> {
  const former = new Map<string, StaticList>();
  return (given) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new GraylaneError('INVALID_INSTANCE', 'instances: expected: lists of instances by service name');
    }
    const problems: string[] = [];
    const read = new Map<string, StaticList>();
    for (const [service, list] of Object.entries(given)) {
      const known = former.get(service);
      const parsed = parseStaticList(list, `instances.${service}`, order[0] ?? DEFAULT_DATACENTER, known);
      problems.push(...parsed.problems);
      read.set(service, parsed.list);
    }
    throwProblems(problems, 'INVALID_INSTANCE');
    for (const [service, list] of read) former.set(service, list);
    return new Map([...read].map(([service, { instances }]) => [service, instances]));
  };
}

/** The list of one service, read. */
export interface StaticList {
  /** In the order of their keys. */
  readonly instances: readonly Instance[];
  /** As they were listed. */
  readonly listed: readonly Instance[];
  /** Whether one was given an ID of its own; else the keys tell endpoints apart, too. */
  readonly areNamed: boolean;
}

/**
 * The instances of one service, or what is wrong with them: every problem, as `path: value (expected: ...)`. Pure.
 * Those of `former`, which this made earlier, are handed over again where nothing changed.
 */
export function parseStaticList(
  list: unknown,
  path: string,
  defaultDatacenter: string,
  former: StaticList | undefined,
): { readonly list: StaticList; readonly problems: readonly string[] } {
  if (!Array.isArray(list)) {
    return { list: EMPTY, problems: [`${path}: ${showValue(list)} (expected: a list of instances)`] };
  }
  const problems: string[] = [];
  let unsound = 0;
  const parsed: (Instance | undefined)[] = [];
  const fresh: Instance[] = [];
  const before = new FormerInstances(former ?? EMPTY, defaultDatacenter);
  for (const [at, given] of (list as readonly unknown[]).entries()) {
    let instance = before.unchanged(given);
    if (instance === undefined) {
      const found = problemsOf(given, path, at);
      if (problems.length < PROBLEMS_TOLD) problems.push(...found);
      unsound += found.length === 0 ? 0 : 1;
      if (found.length === 0) {
        instance = before.sameAs(buildInstance(given as StaticInstance, defaultDatacenter));
        fresh.push(instance);
      }
    }
    parsed.push(instance);
  }
  const listed = parsed.filter((instance) => instance !== undefined);
  const areNamed = list.some(hasId);
  if (problems.length === 0 && !areNamed && former?.areNamed === false) {
    const instances = before.with(fresh);
    if (instances !== undefined) return { list: { instances, listed, areNamed }, problems };
  }
  if (problems.length >= PROBLEMS_TOLD) problems.push(`${path}: ${unsound} unsound entries in all (expected: none)`);
  else tellRepeated(parsed, path, areNamed, problems);
  return { list: { instances: listed.toSorted(byKey), listed, areNamed }, problems };
}

/** More are of no use to a reader. */
const PROBLEMS_TOLD = 50;

const EMPTY: StaticList = { instances: [], listed: [], areNamed: false };

/** Finds the instances of the list before, at little cost as long as the order is much the same. */
class FormerInstances {
  readonly #former: StaticList;
  readonly #defaultDatacenter: string;
  /** Those of the list before that were passed over. */
  readonly #gone = new Set<Instance>();
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
      for (let passed = 0; passed < step; passed += 1) this.#gone.add(listed[this.#next + passed] as Instance);
      this.#next += step + 1;
      this.#missed = 0;
      return instance;
    }
    this.#missed += 1;
    return undefined;
  }

  /** The former instance where it says the same, else the one given. */
  sameAs(instance: Instance): Instance {
    const former = find(this.#former.instances, instance.key);
    return former !== undefined && isSameInstance(former, instance) ? former : instance;
  }

  /** Those that were found unchanged and these, by key. Undefined where that would be one twice. */
  with(fresh: readonly Instance[]): readonly Instance[] | undefined {
    const { instances, listed } = this.#former;
    for (const instance of listed.slice(this.#next)) this.#gone.add(instance);
    const kept = this.#gone.size === 0 ? instances : instances.filter((instance) => !this.#gone.has(instance));
    if (fresh.length === 0) return kept;
    const keys = new Set(fresh.map(({ key }) => key));
    if (keys.size < fresh.length || fresh.some(({ key }) => find(kept, key) !== undefined)) return undefined;
    // To sort what is sorted but for its end costs little.
    return [...kept, ...fresh].sort(byKey);
  }
}

/** In a list that is ordered by key. */
function find(instances: readonly Instance[], key: string): Instance | undefined {
  let low = 0;
  let high = instances.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((instances[middle] as Instance).key < key) low = middle + 1;
    else high = middle;
  }
  return instances[low]?.key === key ? instances[low] : undefined;
}

/** Tells of instances that are given twice. */
function tellRepeated(
  parsed: readonly (Instance | undefined)[],
  path: string,
  areNamed: boolean,
  problems: string[],
): void {
  const places = new Map<string, number>();
  const endpoints = new Map<string, number>();
  for (const [at, instance] of parsed.entries()) {
    if (instance === undefined) continue;
    const tell = (what: string, first: number): void => {
      if (problems.length >= PROBLEMS_TOLD) return;
      problems.push(`${path}[${at}]: ${what} (expected: not the same as ${path}[${first}])`);
    };
    const first = put(places, instance.key, at);
    if (first !== undefined) tell(instance.key, first);
    if (first === undefined && !areNamed) continue;
    const endpoint = `${instance.datacenter}/${instance.address}:${instance.port}`;
    const firstThere = areNamed ? put(endpoints, endpoint, at) : first;
    if (firstThere !== undefined) tell(endpoint, firstThere);
  }
}

function put(places: Map<string, number>, key: string, at: number): number | undefined {
  const first = places.get(key);
  if (first === undefined) places.set(key, at);
  return first;
}

function byKey(a: Instance, b: Instance): number {
  return a.key < b.key ? -1 : 1;
}

function hasId(given: unknown): boolean {
  return isRecord(given) && given['id'] !== undefined;
}
