import type { Instance } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import { sameItems } from '../../base/same-items';
import { shorten, showValue } from '../../base/shorten';
import { bareAddress } from '../../consul/address';
import { sameMeta } from '../../consul/health-answer';

/** An instance written down by hand: in code or in a file. */
export interface StaticInstance {
  /** Host name or IP address. */
  readonly address: string;
  /** 1..65535 */
  readonly port: number;
  /** Its ports by name, 1..65535 each, for subsets with a `port`. Default: none has a name. */
  readonly ports?: Readonly<Record<string, number>>;
  /** As Consul tags. Default: none. */
  readonly tags?: readonly string[];
  /** As Consul service meta. Default: none. */
  readonly meta?: Readonly<Record<string, string>>;
  /** 0..65535. 0: no new calls, as long as another instance can take them. Default: 1. */
  readonly weight?: number;
  /** Default: the source's first datacenter, else `local`. */
  readonly datacenter?: string;
  /** Its zone. Default: none. */
  readonly zone?: string;
  /** Unique in its datacenter and service. Default: `address:port`. */
  readonly id?: string;
  /** Default: passing. */
  readonly status?: Instance['status'];
}

export type StaticServices = Readonly<Record<string, readonly StaticInstance[]>>;

interface Rule {
  readonly key: keyof StaticInstance;
  readonly isRequired?: true;
  readonly isRight: (value: unknown) => boolean;
  readonly expected: string;
}

const STATUSES: readonly unknown[] = ['passing', 'warning', 'critical'];
const TEXT = 'a string that is not empty';

/** In the order in which problems are told. */
const RULES: readonly Rule[] = [
  { key: 'address', isRequired: true, isRight: isAddress, expected: 'a host name or IP address' },
  { key: 'port', isRequired: true, isRight: isPort, expected: '1..65535' },
  { key: 'ports', isRight: isPorts, expected: 'ports, 1..65535, by name' },
  { key: 'tags', isRight: (tags) => Array.isArray(tags) && tags.every(isText), expected: 'a list of strings' },
  { key: 'meta', isRight: isTexts, expected: 'strings by name' },
  { key: 'weight', isRight: (weight) => isWithin(weight, 0, 65_535), expected: '0..65535' },
  { key: 'status', isRight: (status) => STATUSES.includes(status), expected: STATUSES.join(', ') },
  { key: 'datacenter', isRight: isText, expected: TEXT },
  { key: 'zone', isRight: isText, expected: TEXT },
  { key: 'id', isRight: isText, expected: TEXT },
];
const KEYS: readonly string[] = RULES.map(({ key }) => key);
const KNOWN: ReadonlySet<string> = new Set(KEYS);
const NO_PROBLEMS: readonly string[] = [];
const NO_TAGS: readonly string[] = [];
const NO_META: Instance['meta'] = {};

/** The instance that was written down, complete. What is given has no problems. */
export function buildInstance(given: StaticInstance, defaultDatacenter: string): Instance {
  const { address, port, ports, zone, tags = NO_TAGS, meta = NO_META, status = 'passing' } = given;
  const datacenter = given.datacenter ?? defaultDatacenter;
  const id = given.id ?? `${address}:${port}`;
  const weight = status === 'critical' ? 0 : (given.weight ?? 1);
  return {
    key: `${datacenter}/static/${id}`,
    id,
    node: 'static',
    datacenter,
    zone,
    address: bareAddress(address),
    port,
    ...(ports === undefined ? {} : { ports: Object.entries(ports).map(([name, number]) => ({ name, port: number })) }),
    tags: tags === NO_TAGS ? NO_TAGS : [...tags],
    meta: meta === NO_META ? NO_META : { ...meta },
    status,
    weight,
  };
}

/**
 * Whether `given` is what `instance` was made of, and therefore without problems. False where that takes a closer look.
 * Lists of thousands come again with one entry changed: comparing costs a tenth of checking and making them.
 */
export function isMadeOf(instance: Instance, given: unknown, defaultDatacenter: string): boolean {
  if (!isRecord(given)) return false;
  for (const key in given) if (!KNOWN.has(key)) return false;
  const { address, port, zone, tags, meta, weight, id, datacenter = defaultDatacenter, status = 'passing' } = given;
  return (
    address === instance.address &&
    port === instance.port &&
    zone === instance.zone &&
    hasPorts(instance, given['ports']) &&
    datacenter === instance.datacenter &&
    status === instance.status &&
    // Of a critical one nothing tells what its weight was.
    (weight === undefined ? status === 'critical' || instance.weight === 1 : weight === instance.weight) &&
    (tags === undefined ? instance.tags.length === 0 : Array.isArray(tags) && sameItems(tags, instance.tags)) &&
    (meta === undefined ? instance.meta === NO_META : isRecord(meta) && sameMeta(meta, instance.meta)) &&
    (id === undefined ? `${instance.address}:${instance.port}` : id) === instance.id
  );
}

/** Every problem of one entry of a list, as `path: value (expected: ...)`. */
export function problemsOf(given: unknown, path: string, at: number): readonly string[] {
  if (!isRecord(given)) return [`${path}[${at}]: ${showValue(given)} (expected: an instance such as {address, port})`];
  let problems: string[] | undefined;
  const tell = (key: string, expected: string): void => {
    problems ??= [];
    problems.push(`${path}[${at}].${shorten(key)}: ${showValue(given[key])} (expected: ${expected})`);
  };
  // One of them tells what there is.
  const unknown = Object.keys(given).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) tell(unknown, `one of ${KEYS.join(', ')}`);
  for (const { key, isRequired, isRight, expected } of RULES) {
    const value = given[key];
    if ((value !== undefined || isRequired === true) && !isRight(value)) tell(key, expected);
  }
  return problems ?? NO_PROBLEMS;
}

function hasPorts({ ports }: Instance, given: unknown): boolean {
  if (given === undefined) return ports === undefined;
  if (!isRecord(given) || ports === undefined) return false;
  return ports.length === Object.keys(given).length && ports.every(({ name, port }) => given[name] === port);
}

function isPorts(value: unknown): boolean {
  return isRecord(value) && Object.entries(value).every(([name, port]) => name !== '' && isPort(port));
}

export function isPort(value: unknown): boolean {
  return isWithin(value, 1, 65_535) && Number.isInteger(value);
}

function isWithin(value: unknown, low: number, high: number): boolean {
  return typeof value === 'number' && value >= low && value <= high;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/\p{Cc}/u.test(value);
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/[\s/\p{Cc}]/u.test(value);
}

export function isTexts(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((one) => typeof one === 'string');
}
