import { canonicalJson } from '../plain-data';
import { note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';

interface Reach {
  readonly index: number;
  readonly name: string;
  /** Undefined: every method. */
  readonly methods: ReadonlySet<string> | undefined;
  /** The other conditions, as texts that are equal when they mean the same. All must hold. */
  readonly conditions: ReadonlySet<string>;
}

/** Warns of routes that no call ever gets to, because an earlier route takes all that they match. */
export function warnOfUnreachable({ routes = [] }: CheckedPolicy, warnings: ProblemList): void {
  // The first one is reached.
  if (routes.length < 2) return;
  const earlier = new EarlierRoutes();
  for (const [index, route] of routes.entries()) {
    const reach = reachOf(route, index);
    const taker = earlier.takerOf(reach);
    if (taker === undefined) earlier.add(reach);
    else warnings.report(['routes', index], note('never reached'), `calls that the route ${taker.name} leaves over`);
  }
}

/**
 * The routes so far, by a method and a condition that a later route must share to be taken by them: a thousand routes
 * are not compared each with each.
 */
class EarlierRoutes {
  /** By method, then by the condition that fewest others have; `/` and the empty text where a route has none. */
  readonly #byMethod = new Map<string, Map<string, Reach[]>>();
  readonly #uses = new Map<string, number>();

  add(reach: Reach): void {
    const key = this.#rarest(reach.conditions);
    for (const method of reach.methods ?? [EVERY_METHOD]) {
      const byCondition = this.#byMethod.get(method) ?? new Map<string, Reach[]>();
      this.#byMethod.set(method, byCondition);
      const same = byCondition.get(key);
      if (same === undefined) byCondition.set(key, [reach]);
      else same.push(reach);
    }
  }

  /** The first of them that leaves nothing over of what the route matches. */
  takerOf(reach: Reach): Reach | undefined {
    let taker: Reach | undefined;
    for (const method of prefixesOf(reach.methods?.values().next().value)) {
      const byCondition = this.#byMethod.get(method);
      if (byCondition === undefined) continue;
      for (const key of [NO_CONDITION, ...reach.conditions]) {
        const found = byCondition.get(key)?.find((candidate) => takesAllOf(candidate, reach));
        if (found !== undefined && (taker === undefined || found.index < taker.index)) taker = found;
      }
    }
    return taker;
  }

  #rarest(conditions: ReadonlySet<string>): string {
    let rarest = NO_CONDITION;
    let fewest = Number.POSITIVE_INFINITY;
    for (const condition of conditions) {
      const uses = this.#uses.get(condition) ?? 0;
      this.#uses.set(condition, uses + 1);
      if (uses >= fewest) continue;
      rarest = condition;
      fewest = uses;
    }
    return rarest;
  }
}

const EVERY_METHOD = '/';
const NO_CONDITION = '';

/** What a route may name that takes `/service/Method`: itself, its service, or everything. */
function prefixesOf(method: string | undefined): readonly string[] {
  if (method === undefined) return [EVERY_METHOD];
  const slash = method.indexOf('/', 1);
  return slash === -1 || slash === method.length - 1
    ? [EVERY_METHOD, method]
    : [EVERY_METHOD, method.slice(0, slash + 1), method];
}

function reachOf(route: NonNullable<CheckedPolicy['routes']>[number], index: number): Reach {
  const { match: { methods = [], labels = {}, any, sample, from } = {}, name, stickySalt = name } = route ?? {};
  const conditions = Object.entries(labels).map(([key, matcher]) => `${key.toLowerCase()} ${canonicalJson(matcher)}`);
  if (any !== undefined) conditions.push(`any ${canonicalJson(any)}`);
  // Samples of two routes differ by their salt, even when they read alike.
  if (sample !== undefined) conditions.push(`sample ${canonicalJson([sample, stickySalt])}`);
  if (from !== undefined) conditions.push(`from ${canonicalJson([...from].sort())}`);
  return {
    index,
    name: String(name),
    methods: methods.length > 0 ? new Set(methods.map(String)) : undefined,
    conditions: new Set(conditions),
  };
}

function takesAllOf(earlier: Reach, later: Reach): boolean {
  if (earlier.conditions.size > later.conditions.size) return false;
  for (const condition of earlier.conditions) if (!later.conditions.has(condition)) return false;
  const taken = earlier.methods;
  if (taken === undefined || taken.has(EVERY_METHOD)) return true;
  if (later.methods === undefined) return false;
  for (const method of later.methods) if (!prefixesOf(method).some((prefix) => taken.has(prefix))) return false;
  return true;
}
