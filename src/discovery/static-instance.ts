import { isRecord } from '../internal/is-record';
import type { Instance } from './source';

/** An instance written down by hand: in code or in a file. */
export interface StaticInstance {
  /** Host name or IP address. */
  readonly address: string;
  /** 1..65535 */
  readonly port: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  /** > 0, up to 65535. Default: 1. */
  readonly weight?: number;
  /** Default: the source's first datacenter, else `local`. */
  readonly datacenter?: string;
  readonly zone?: string;
  /** Unique in its datacenter and service. Default: `address:port`. */
  readonly id?: string;
  /** Default: passing. */
  readonly status?: Instance['status'];
}

export type StaticServices = Readonly<Record<string, readonly StaticInstance[]>>;

const KEYS = ['address', 'port', 'tags', 'meta', 'weight', 'datacenter', 'zone', 'id', 'status'];
const STATUSES = ['passing', 'warning', 'critical'];

/**
 * The instances of one service, or what is wrong with them: every problem, as `path: value (expected: ...)`. Pure.
 */
export function parseStaticInstances(
  list: unknown,
  path: string,
  defaultDatacenter: string,
): { readonly instances: readonly Instance[]; readonly problems: readonly string[] } {
  if (!Array.isArray(list))
    return { instances: [], problems: [`${path}: ${show(list)} (expected: a list of instances)`] };
  const problems: string[] = [];
  const instances: Instance[] = [];
  const seen = new Map<string, string>();
  list.forEach((given: unknown, at) => {
    const where = `${path}[${at}]`;
    const found = problemsOf(given, where);
    problems.push(...found);
    if (found.length > 0) return;
    const instance = build(given as StaticInstance, defaultDatacenter);
    for (const unique of [instance.key, `${instance.datacenter}/${instance.address}:${instance.port}`]) {
      const first = seen.get(unique);
      if (first !== undefined && first !== where)
        problems.push(`${where}: ${unique} (expected: not the same as ${first})`);
      else seen.set(unique, where);
    }
    instances.push(instance);
  });
  return { instances: [...instances].sort((a, b) => (a.key < b.key ? -1 : 1)), problems };
}

function build(given: StaticInstance, defaultDatacenter: string): Instance {
  const datacenter = given.datacenter ?? defaultDatacenter;
  const id = given.id ?? `${given.address}:${given.port}`;
  const status = given.status ?? 'passing';
  return {
    key: `${datacenter}/static/${id}`,
    id,
    node: 'static',
    datacenter,
    zone: given.zone,
    address: given.address,
    port: given.port,
    tags: [...(given.tags ?? [])],
    meta: { ...given.meta },
    status,
    weight: status === 'critical' ? 0 : (given.weight ?? 1),
  };
}

function problemsOf(given: unknown, where: string): readonly string[] {
  if (!isRecord(given)) return [`${where}: ${show(given)} (expected: an instance such as {address, port})`];
  const problems: string[] = [];
  const check = (key: string, isRight: boolean, expected: string): void => {
    if (!isRight) problems.push(`${where}.${key}: ${show(given[key])} (expected: ${expected})`);
  };
  const optional = (key: string, isRight: (value: unknown) => boolean, expected: string): void =>
    check(key, given[key] === undefined || isRight(given[key]), expected);
  for (const key of Object.keys(given)) check(key, KEYS.includes(key), `one of ${KEYS.join(', ')}`);
  check('address', isText(given['address']) && !/[\s/]/.test(String(given['address'])), 'a host name or IP address');
  check('port', isWithin(given['port'], 1, 65_535) && Number.isInteger(given['port']), '1..65535');
  optional('tags', (tags) => Array.isArray(tags) && tags.every(isText), 'a list of strings');
  optional(
    'meta',
    (meta) => isRecord(meta) && Object.values(meta).every((one) => typeof one === 'string'),
    'strings by name',
  );
  optional('weight', (weight) => weight !== 0 && isWithin(weight, 0, 65_535), '> 0, <= 65535');
  optional('status', (status) => STATUSES.some((known) => known === status), STATUSES.join(', '));
  for (const key of ['datacenter', 'zone', 'id']) optional(key, isText, 'a string that is not empty');
  return problems;
}

function isWithin(value: unknown, low: number, high: number): boolean {
  return typeof value === 'number' && value >= low && value <= high;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/\p{Cc}/u.test(value);
}

function show(value: unknown): string {
  return typeof value === 'number' ? String(value) : (JSON.stringify(value)?.slice(0, 80) ?? String(value));
}
