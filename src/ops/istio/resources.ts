import { parseAllDocuments } from 'yaml';
import { isRecord } from '../../base/is-record';
import { type Fields, fieldsOf, listOf, textOf } from './report';

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
  /** Other kinds that stand in the file, by name. */
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

/** `payments` of `payments`, `payments.shop`, `payments.shop.svc.cluster.local`; other names with dots are themselves. */
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
