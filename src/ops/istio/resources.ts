import { parseAllDocuments } from 'yaml';
import { isRecord } from '../../base/is-record';
import { parseDuration } from '../../policy/chain/graph';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { PolicyProblem } from '../../policy/plan';
import { showValue } from '../../policy/problems';

/** A VirtualService or a DestinationRule. */
export interface IstioResource {
  readonly kind: 'VirtualService' | 'DestinationRule';
  /** How messages name it: `VirtualService/payments`. */
  readonly path: string;
  readonly namespace: string | undefined;
  readonly spec: Fields;
}

export interface IstioResources {
  readonly resources: readonly IstioResource[];
  /** Names of the resources of other kinds in the file. */
  readonly others: readonly string[];
  /** Why the text is no YAML. */
  readonly fault: string | undefined;
}

/** As long as the largest list of Kubernetes objects may be. */
const MAX_CHARACTERS = 1_500_000;
const MAX_ALIASED_NODES = 100;

/** Reads the documents of a YAML (or JSON) text; a `List` counts as its items. Never throws. */
export function readResources(text: string): IstioResources {
  if (text.length > MAX_CHARACTERS) return failed(`more than ${MAX_CHARACTERS} characters`);
  const values: unknown[] = [];
  try {
    const documents = parseAllDocuments(text, { version: '1.2', schema: 'core', merge: false, prettyErrors: true });
    for (const document of Array.isArray(documents) ? documents : []) {
      const [error] = document.errors;
      if (error !== undefined) return failed(error.message.split('\n')[0] ?? 'a syntax error');
      values.push(document.toJS({ maxAliasCount: MAX_ALIASED_NODES }));
    }
  } catch (error) {
    return failed(error instanceof Error ? error.message : 'a syntax error');
  }
  const resources: IstioResource[] = [];
  const others: string[] = [];
  for (const value of values.flatMap(itemsOf)) {
    const { kind, metadata, spec } = value;
    const { name, namespace } = fieldsOf(metadata);
    const path = `${textOf(kind) ?? 'no kind'}/${textOf(name) ?? 'no name'}`;
    if (kind === 'VirtualService' || kind === 'DestinationRule') {
      resources.push({ kind, path, namespace: textOf(namespace), spec: fieldsOf(spec) });
    } else others.push(path);
  }
  return { resources, others, fault: undefined };
}

function itemsOf(value: unknown): readonly Fields[] {
  if (!isRecord(value)) return [];
  return textOf(value['kind'])?.endsWith('List') === true ? listOf(value['items']).flatMap(itemsOf) : [value];
}

function failed(fault: string): IstioResources {
  return { resources: [], others: [], fault };
}

/**
 * `payments` of `payments`, `payments.shop`, `payments.shop.svc.cluster.local`; other names with dots are themselves.
 */
export function serviceOfHost(host: string, namespace: string | undefined): string {
  const inCluster = /^([^.*]+)\.[^.]+\.svc(?:\..+)?$/.exec(host)?.[1];
  if (inCluster !== undefined) return inCluster;
  const [first, second, ...more] = host.split('.');
  return more.length === 0 && second !== undefined && second === namespace ? (first ?? host) : host;
}

/** The services that the resources have rules for, in the order of the file. */
export function servicesOf(resources: readonly IstioResource[]): readonly string[] {
  return [...new Set(resources.flatMap(hostsOf))];
}

export function hostsOf({ kind, spec, namespace }: IstioResource): readonly string[] {
  const hosts = kind === 'VirtualService' ? listOf(spec['hosts']) : [spec['host']];
  return hosts.flatMap((host) => (textOf(host) === undefined ? [] : [serviceOfHost(String(host), namespace)]));
}

/** The longest that a document takes: 24 days. */
const LONGEST_MS = 2_147_483_647;

/**
 * Collects the fields of Istio's resources that a policy document cannot express, by path:
 * `VirtualService/payments.http[0].mirror`.
 */
export class IstioReport {
  readonly #unmapped = new Map<string, PolicyProblem>();

  get unmapped(): readonly PolicyProblem[] {
    return [...this.#unmapped.values()];
  }

  /** `what`: what happens instead, or why not. Each path once. */
  cannot(path: string, what: string): void {
    if (!this.#unmapped.has(path)) this.#unmapped.set(path, { path, message: `${path}: ${what}` });
  }

  /** The fields of an object. Every one that is there and not among `known` is reported. */
  read(value: unknown, path: string, known: readonly string[], what: Readonly<Record<string, string>> = {}): Fields {
    const fields = fieldsOf(value);
    for (const name of Object.keys(fields)) {
      if (known.includes(name) || fields[name] === undefined || fields[name] === null) continue;
      this.cannot(`${path}.${name}`, Object.hasOwn(what, name) ? `${what[name]}` : 'not mapped');
    }
    return fields;
  }

  /** Milliseconds above 0 of a duration such as `1.5s`. Undefined without one; an unreadable one is reported. */
  duration(value: unknown, path: string): number | undefined {
    if (value === undefined || value === null) return undefined;
    const ms = typeof value === 'string' ? parseDuration(value) : undefined;
    if (ms !== undefined && ms > 0) return Math.min(ms, LONGEST_MS);
    // Istio's way to say that there is no limit.
    if (ms !== 0) this.cannot(path, `${showValue(value)} (expected: a duration such as 1.5s)`);
    return undefined;
  }
}

/** Own field, whatever its name. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isRecord(value) ? Object.entries(value) : [];
}
