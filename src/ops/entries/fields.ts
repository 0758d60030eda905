import { isRecord } from '../../base/is-record';

/** The fields of an entry by name: `leaf`, an object, a list of objects, or a table of them under names of their own. */
export type Shape = 'leaf' | { readonly [field: string]: Shape } | readonly [Shape] | { readonly [EACH]: Shape };

const EACH: unique symbol = Symbol('each');

const leaves = <K extends string>(...names: readonly K[]): Record<K, 'leaf'> =>
  Object.fromEntries(names.map((name) => [name, 'leaf'])) as Record<K, 'leaf'>;

const about = leaves('Kind', 'Name', 'Namespace', 'Partition', 'CreateIndex', 'ModifyIndex', 'Hash');
const ENTRY = { ...about, Meta: 'leaf' } as const;
const HEADERS = leaves('Add', 'Set', 'Remove');
const TARGET = leaves('Service', 'ServiceSubset', 'Namespace', 'Partition', 'Datacenter', 'Peer');

/** The kinds of entries that shape a chain. https://developer.hashicorp.com/consul/docs/reference/config-entry */
export const SHAPES: Readonly<Record<string, Shape>> = {
  'service-router': {
    ...ENTRY,
    Routes: [
      {
        Match: {
          HTTP: {
            ...leaves('PathExact', 'PathPrefix', 'PathRegex', 'CaseInsensitive', 'Methods'),
            Header: [
              leaves('Name', 'Present', 'Exact', 'Prefix', 'Suffix', 'Contains', 'Regex', 'Invert', 'IgnoreCase'),
            ],
            QueryParam: [leaves('Name', 'Present', 'Exact', 'Regex')],
          },
        },
        Destination: {
          ...leaves('Service', 'ServiceSubset', 'Namespace', 'Partition', 'PrefixRewrite'),
          ...leaves('RequestTimeout', 'IdleTimeout', 'NumRetries', 'RetryOnConnectFailure', 'RetryOn'),
          ...leaves('RetryOnStatusCodes'),
          RequestHeaders: HEADERS,
          ResponseHeaders: HEADERS,
        },
      },
    ],
  },
  'service-splitter': {
    ...ENTRY,
    Splits: [
      {
        ...leaves('Weight', 'Service', 'ServiceSubset', 'Namespace', 'Partition'),
        RequestHeaders: HEADERS,
        ResponseHeaders: HEADERS,
      },
    ],
  },
  'service-resolver': {
    ...ENTRY,
    ...leaves('DefaultSubset', 'ConnectTimeout', 'RequestTimeout'),
    Subsets: { [EACH]: leaves('Filter', 'OnlyPassing') },
    Redirect: { ...TARGET, SamenessGroup: 'leaf' },
    Failover: {
      [EACH]: {
        ...leaves('Service', 'ServiceSubset', 'Namespace', 'Datacenters', 'SamenessGroup'),
        Targets: [TARGET],
        Policy: leaves('Mode', 'Regions'),
      },
    },
    LoadBalancer: {
      Policy: 'leaf',
      RingHashConfig: leaves('MinimumRingSize', 'MaximumRingSize'),
      LeastRequestConfig: leaves('ChoiceCount'),
      HashPolicies: [
        {
          ...leaves('Field', 'FieldValue', 'SourceIP', 'Terminal'),
          CookieConfig: leaves('Session', 'TTL', 'Path'),
        },
      ],
    },
    PrioritizeByLocality: leaves('Mode'),
  },
  // Of these two only the protocol shapes a chain.
  'service-defaults': { ...ENTRY, Protocol: 'leaf' },
  'proxy-defaults': { ...ENTRY, Config: 'leaf' },
};

/**
 * A copy under the names that Consul's API uses, whichever of its spellings they are in: `PathPrefix`, `pathPrefix` of
 * custom resources, `path_prefix` of HCL. `unknown` is called for each field that has none, with its path.
 */
export function canonical(value: unknown, shape: Shape, unknown: (path: string) => void, path = ''): unknown {
  if (shape === 'leaf' || value === null || value === undefined) return value;
  if (Array.isArray(shape)) {
    const [each] = shape as readonly [Shape];
    // A block given once is a list of one.
    const items = Array.isArray(value) ? value : [value];
    return items.map((item, index) => canonical(item, each, unknown, `${path}[${index}]`));
  }
  // A block that is an object of one thing may come as a list of one.
  const fields = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (!isRecord(fields)) return value;
  const each = (shape as { readonly [EACH]?: Shape })[EACH];
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(fields)) {
    const name = each === undefined ? nameIn(shape as Readonly<Record<string, Shape>>, key) : key;
    const next = each ?? (name === undefined ? undefined : (shape as Readonly<Record<string, Shape>>)[name]);
    if (name === undefined || next === undefined) unknown(`${path}.${key}`);
    else copy[name] = canonical(item, next, unknown, `${path}.${name}`);
  }
  return copy;
}

function nameIn(shape: Readonly<Record<string, Shape>>, key: string): string | undefined {
  const plain = key.replaceAll('_', '').toLowerCase();
  return Object.keys(shape).find((name) => name.toLowerCase() === plain);
}
