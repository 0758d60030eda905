import { isRecord } from '../../internal/is-record';
import { canonicalJson, ownValue } from '../plain-data';
import { note, type ProblemList } from '../problems';
import { listOf } from './references';

interface Reach {
  readonly name: string;
  /** Undefined: every method. */
  readonly methods: readonly string[] | undefined;
  /** The other conditions, as texts that are equal when they mean the same. All must hold. */
  readonly conditions: ReadonlySet<string>;
}

/** Warns of routes that no call ever gets to, because an earlier route takes all that they match. */
export function warnOfUnreachable(routes: unknown, warnings: ProblemList): void {
  const earlier: Reach[] = [];
  for (const [index, route] of listOf(routes).entries()) {
    const reach = reachOf(route);
    const taker = earlier.find((candidate) => takesAllOf(candidate, reach));
    if (taker === undefined) earlier.push(reach);
    else warnings.report(['routes', index], note('never reached'), `calls that the route ${taker.name} leaves over`);
  }
}

function reachOf(route: unknown): Reach {
  const match = ownValue(route, 'match');
  const methods = ownValue(match, 'methods');
  const conditions = new Set<string>();
  const labels = ownValue(match, 'labels');
  for (const [key, matcher] of isRecord(labels) ? Object.entries(labels) : []) {
    conditions.add(`${key.toLowerCase()} ${canonicalJson(matcher)}`);
  }
  for (const key of ['any', 'sample']) {
    const part = ownValue(match, key);
    // Samples of two routes differ by their salt, even when they read alike.
    if (part !== undefined) conditions.add(`${key} ${canonicalJson([part, key === 'sample' ? saltOf(route) : ''])}`);
  }
  return {
    name: String(ownValue(route, 'name')),
    methods: Array.isArray(methods) ? methods.map(String) : undefined,
    conditions,
  };
}

function saltOf(route: unknown): unknown {
  return ownValue(route, 'stickySalt') ?? ownValue(route, 'name') ?? null;
}

function takesAllOf(earlier: Reach, later: Reach): boolean {
  if (earlier.conditions.size > later.conditions.size) return false;
  for (const condition of earlier.conditions) if (!later.conditions.has(condition)) return false;
  const taken = earlier.methods;
  if (taken === undefined || taken.includes('/')) return true;
  if (later.methods === undefined) return false;
  return later.methods.every((method) =>
    taken.some((other) => other === method || (other.endsWith('/') && method.startsWith(other))),
  );
}
