import { loadRe2 } from '../../base/load-re2';
import type { Random } from '../../base/random';
import { sampleOfRegex } from '../simulation/synthetic-calls';

/** A call as a proxy of the other system would see it: more than a policy looks at. */
export interface ProxyCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly authority: string;
  readonly scheme: string;
  /** Of the service. */
  readonly port: number | undefined;
  /** Of the workload that calls. */
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace: string | undefined;
}

/** What the rules of another system say of one call, read from their documentation. */
export interface Verdict {
  /** Path of the rule that decides, as losses name it. Undefined: none, and the call is refused. */
  readonly rule: string | undefined;
  /** Shares of the call's chances by place, 1 in all; empty where it reaches no instance. */
  readonly shares: ReadonlyMap<string, number>;
  /** Undefined: none of its own. */
  readonly timeoutMs: number | undefined;
  /** Tries in all; undefined: as by default. */
  readonly attempts: number | undefined;
  /** Beginnings of further paths whose losses concern the call. Default: none. */
  readonly concerns?: readonly string[];
}

/** Rules that can be evaluated. */
export interface RuleSource {
  decide(call: ProxyCall): Verdict;
  /** What its conditions mention, for making calls up. */
  readonly hints: CallHints;
}

/** The place of every instance of the service. */
export const EVERYWHERE = '*';

/** The place of another service's instances. */
export function placeElsewhere(service: string, subset: string | undefined): string {
  return `${service}/${subset ?? EVERYWHERE}`;
}

/** Values that conditions mention, by what they look at. */
export class CallHints {
  readonly methods: Set<string> = new Set();
  readonly headers: Map<string, Set<string>> = new Map();
  readonly authorities: Set<string> = new Set();
  readonly ports: Set<number> = new Set();
  readonly sourceLabels: Map<string, Set<string>> = new Map();
  readonly sourceNamespaces: Set<string> = new Set();

  header(name: string, ...values: readonly string[]): void {
    addAll(this.headers, name.toLowerCase(), values);
  }

  sourceLabel(name: string, value: string): void {
    addAll(this.sourceLabels, name, [value]);
  }

  /** A path, or what an expression or a prefix of one leads to. */
  path(kind: 'exact' | 'prefix' | 'regex', text: string): void {
    const found = kind === 'regex' ? sampleOfRegex(text) : text;
    const paths = kind === 'exact' ? [found] : [found, `${found}x`, `${found}/Any`, `${found}Any`, `${found}.Any/Any`];
    for (const path of paths) if (METHOD.test(path)) this.methods.add(path);
  }
}

const METHOD = /^\/[^/\s]+\/[^/\s]+$/;

function addAll(table: Map<string, Set<string>>, key: string, values: readonly string[]): void {
  const known = table.get(key) ?? new Set();
  for (const value of values) known.add(value);
  table.set(key, known);
}

/** Values around a condition on a text: some that meet it and some that do not. */
export function textsAround(kind: 'exact' | 'prefix' | 'regex', text: string): readonly string[] {
  if (kind === 'exact') return [text, `${text}x`];
  return kind === 'prefix' ? [text, `${text}x`] : [sampleOfRegex(text)];
}

const ORDINARY = 'ordinary';
const SCHEMES = ['http', 'https'] as const;
/** Of a call, the part of the conditions' headers that it bears. */
const BEARS = 0.6;

/** Calls around what the hints mention; the same ones for the same random numbers. */
export function createProxyCalls(hints: CallHints, service: string, random: Random): { next(): ProxyCall } {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const methods = [...hints.methods, '/any.Service/Method'];
  const tables = (table: ReadonlyMap<string, ReadonlySet<string>>): readonly (readonly [string, readonly string[]])[] =>
    [...table].map(([key, values]) => [key, [...values, ORDINARY]]);
  const [headers, labels] = [tables(hints.headers), tables(hints.sourceLabels)];
  const authorities = [...hints.authorities, service];
  const ports = [...hints.ports, undefined];
  const namespaces = [...hints.sourceNamespaces, undefined];
  const drawn = (table: typeof headers): Record<string, string> =>
    Object.fromEntries(table.filter(() => random() < BEARS).map(([key, values]) => [key, pick(values)]));
  return {
    next: () => ({
      method: pick(methods),
      headers: drawn(headers),
      authority: pick(authorities),
      scheme: pick(SCHEMES),
      port: pick(ports),
      sourceLabels: drawn(labels),
      sourceNamespace: pick(namespaces),
    }),
  };
}

const compiled = new Map<string, (value: string) => boolean>();
const MOST_COMPILED = 1_000;

/** Whether an RE2 expression matches the whole value. One that is none matches nothing. */
export function matchesWhole(pattern: string, value: string): boolean {
  let test = compiled.get(pattern);
  if (test === undefined) {
    test = testOf(pattern);
    if (compiled.size >= MOST_COMPILED) compiled.clear();
    compiled.set(pattern, test);
  }
  return test(value);
}

function testOf(pattern: string): (value: string) => boolean {
  try {
    const expression = loadRe2().RE2JS.compile(pattern);
    return (value) => expression.testExact(value);
  } catch {
    return () => false;
  }
}
