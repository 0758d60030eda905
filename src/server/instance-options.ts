import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GraylaneError } from '../base/errors';
import { hostAndPort } from '../base/host-and-port';
import { isRecord } from '../base/is-record';
import type { Logger } from '../base/logger';
import { META_KEY, PORT_NAME, SERVICE_NAME } from '../base/names';
import { OptionReader } from '../base/option-reader';
import { showValue } from '../base/shorten';
import { bareAddress } from '../consul/address';
import { type ConsulOptions, type ParsedConsulOptions, parseConsulOptions } from '../consul/options';
import { type DrainOptions, type ParsedDrain, parseDrainOptions } from './drain';

/** What `registerInstance()` tells Consul, and how the server leaves again. */
export interface InstanceOptions extends DrainOptions {
  /** Of the service, as clients write it in their target: letters, digits, `-`, `_`, `.`. */
  readonly name: string;
  /** 1..65535: the one that the server was bound to. */
  readonly port: number;
  /**
   * All of its ports by name, 1..65535 each, for a server with several; `port` is one of them, and the default. Needs
   * Consul 1.22: an older agent gets `port` alone, and a warning says so. Default: one port without a name.
   */
  readonly ports?: Readonly<Record<string, number>>;
  /**
   * Where clients reach it. Default: `GRAYLANE_ADDRESS`, else `NOMAD_HOST_IP_<label>` of the label whose
   * `NOMAD_HOST_PORT_<label>` is this port, else `POD_IP`, else the address of the Consul node, which is told where
   * this looks like a container.
   */
  readonly address?: string;
  /**
   * Unique at the Consul agent, and the same after a restart, so that the successor replaces its predecessor. Default:
   * `name-hostname-port`.
   */
  readonly id?: string;
  /** Consul tags, by which policies form subsets. Default: none. */
  readonly tags?: readonly string[];
  /**
   * Consul's limits: 64 keys of at most 128 letters, digits, `-`, `_`; values of at most 512 characters. `started-at`
   * is added where it is not given and there is room: when it was registered first, RFC 3339, for `graylane instances`.
   */
  readonly meta?: Readonly<Record<string, string>>;
  /** Share of the calls, 1..65535, and what is left of it while a check warns. Default 1 and 1. */
  readonly weights?: { readonly passing: number; readonly warning?: number };
  /** Default: `grpc` where `health` is given, else `ttl`. */
  readonly check?: CheckKind | InstanceCheck;
  /** Others may change the tags in the catalogue, and Consul keeps that. Default false. */
  readonly enableTagOverride?: boolean;
  /** Consul forgets the instance when it was critical for so long: 60,000 ms or more, or false. Default 600,000. */
  readonly deregisterCriticalAfterMs?: number | false;
  /** How often it is looked whether the agent still knows the instance: 500..600,000 ms. Default 5,000. */
  readonly verifyEveryMs?: number;
  /**
   * Where processes that register the same `id` at the same agent, such as workers that share a port, see each other:
   * the last to stop takes the instance out of Consul. `false`: the first process that stops does. Default:
   * `$XDG_STATE_HOME/graylane`, else a folder of the user's own among the temporary ones.
   */
  readonly stateDirectory?: string | false;
  /** How to reach the agent of this machine. Of several addresses only the first: an instance belongs to one agent. */
  readonly consul?: ConsulOptions;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

/** {@link InstanceOptions} with all defaults applied. */
export interface ParsedInstance
  extends Required<
    Pick<InstanceOptions, 'name' | 'id' | 'port' | 'tags' | 'meta' | 'enableTagOverride' | 'verifyEveryMs'>
  > {
  readonly ports: InstanceOptions['ports'] | undefined;
  readonly address: string | undefined;
  readonly weights: Required<NonNullable<InstanceOptions['weights']>>;
  readonly check: Required<InstanceCheck>;
  readonly deregisterCriticalAfterMs: number | undefined;
  /** Undefined: the default; false: other processes are not looked for. */
  readonly stateDirectory: string | false | undefined;
  readonly consul: ParsedConsulOptions;
  readonly drain: ParsedDrain;
}

const KEYS: Readonly<Record<keyof InstanceOptions, true>> = {
  name: true,
  port: true,
  ports: true,
  address: true,
  id: true,
  tags: true,
  meta: true,
  weights: true,
  check: true,
  enableTagOverride: true,
  deregisterCriticalAfterMs: true,
  verifyEveryMs: true,
  stateDirectory: true,
  consul: true,
  logger: true,
  server: true,
  health: true,
  settleMs: true,
  graceMs: true,
};
const CHECKS: readonly CheckKind[] = ['grpc', 'ttl', 'none'];

const ADDRESS = /^[^\s/\p{Cc}]{1,255}$/u;

const MOST_META_KEYS = 64;
const STARTED_AT = 'started-at';

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws INVALID_OPTION with every problem, as `instance.port: 0 (expected: 1..65535)`. */
export function parseInstanceOptions(
  options: InstanceOptions,
  env: Environment = process.env,
  startedAt: Date = new Date(),
): ParsedInstance {
  const read = new OptionReader(options, 'instance', Object.keys(KEYS));
  const given: Partial<InstanceOptions> = isRecord(options) ? options : {};
  const name = read.text('name', SERVICE_NAME, 'a service name of letters, digits, "-", "_" and "."') ?? 'x';
  const port = read.number('port', { low: 1, high: 65_535, isInteger: true }) ?? 1;
  const written = read.optional('address', () => read.text('address', ADDRESS, 'a host name or IP address'));
  const address = written === undefined ? checkedAddress(read, findAddress(port, env)) : bareAddress(written);
  const id = read.optional('id', () => read.text('id', /^[^\s/?#\p{Cc}]{1,255}$/u, 'text without spaces and slashes'));
  const after = given.deregisterCriticalAfterMs ?? 600_000;
  const instance = {
    name,
    port,
    ports: readPorts(read, port),
    address,
    id: id ?? `${name}-${hostname()}-${port}`,
    tags: read.texts('tags'),
    meta: withStart(readMeta(read), startedAt),
    weights: readWeights(read),
    check: readCheck(read, given, address, port),
    enableTagOverride: read.flag('enableTagOverride'),
    deregisterCriticalAfterMs:
      after === false
        ? undefined
        : read.number('deregisterCriticalAfterMs', { low: 60_000, high: 2 ** 31, fallback: 600_000 }),
    verifyEveryMs: read.number('verifyEveryMs', { low: 500, high: 600_000, fallback: 5_000 }),
    stateDirectory: readDirectory(read, given.stateDirectory, env['XDG_STATE_HOME']),
    drain: parseDrainOptions(read),
  };
  const consul = read.collect(() => parseConsulOptions(given.consul ?? {}, env));
  read.throwProblems();
  if (consul === undefined) throw new GraylaneError('INVALID_OPTION', 'consul: not usable');
  return { ...instance, consul: { ...consul, addresses: consul.addresses.slice(0, 1) } };
}

function checkedAddress(read: OptionReader, found: FoundAddress | undefined): string | undefined {
  if (found === undefined || ADDRESS.test(found.address)) return found?.address;
  read.problem(`address (${found.from})`, JSON.stringify(found.address.slice(0, 80)), 'a host name or IP address');
  return undefined;
}

function readDirectory(read: OptionReader, given: unknown, home: string | undefined): string | false | undefined {
  if (given === false) return false;
  if (given === undefined) return home === undefined || home === '' ? undefined : join(home, 'graylane');
  if (typeof given === 'string' && given !== '' && !given.includes('\0')) return given;
  read.problem('stateDirectory', showValue(given), 'a path, or false');
  return undefined;
}

function readPorts(read: OptionReader, port: number): Readonly<Record<string, number>> | undefined {
  if (read.value('ports') === undefined) return undefined;
  const ports: Record<string, number> = {};
  for (const [name, value] of Object.entries(read.record('ports'))) {
    const path = `ports[${JSON.stringify(name.slice(0, 80))}]`;
    const isNumber = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
    if (!PORT_NAME.test(name)) read.problem(path, 'name', 'letters, digits, "_", "." and "-"');
    else if (!isNumber) read.problem(path, showValue(value), '1..65535');
    else ports[name] = value;
  }
  if (!Object.values(ports).includes(port))
    read.problem('ports', `none of them is ${port}`, 'port among them, the default');
  return ports;
}

function readMeta(read: OptionReader): Readonly<Record<string, string>> {
  const meta = read.record('meta');
  if (Object.keys(meta).length > MOST_META_KEYS)
    read.problem('meta', `${Object.keys(meta).length} keys`, `at most ${MOST_META_KEYS}`);
  const checked: Record<string, string> = {};
  for (const [key, value] of Object.entries(meta)) {
    const isKey = META_KEY.test(key) && !key.startsWith('consul-');
    if (!isKey)
      read.problem(`meta[${JSON.stringify(key.slice(0, 80))}]`, 'key', 'letters, digits, "-", "_", not consul-');
    else if (typeof value !== 'string' || value.length > 512) {
      read.problem(`meta.${key}`, typeof value, 'a string of at most 512 characters');
    } else checked[key] = value;
  }
  return checked;
}

/** Consul does not tell how old an instance is. The same for every later registration, which then changes nothing. */
function withStart(meta: Readonly<Record<string, string>>, startedAt: Date): Readonly<Record<string, string>> {
  if (STARTED_AT in meta || Object.keys(meta).length >= MOST_META_KEYS) return meta;
  return { ...meta, [STARTED_AT]: startedAt.toISOString() };
}

function readWeights(read: OptionReader): ParsedInstance['weights'] {
  const inner = read.inner('weights', ['passing', 'warning']);
  if (inner === undefined) return { passing: 1, warning: 1 };
  const passing = inner.number('passing', { low: 1, high: 65_535, isInteger: true }) ?? 1;
  const warning = inner.number('warning', { low: 0, high: 65_535, isInteger: true, fallback: 1 });
  return { passing, warning };
}

function readCheck(
  read: OptionReader,
  { health, check: asked = health === undefined ? 'ttl' : 'grpc' }: Partial<InstanceOptions>,
  host = '127.0.0.1',
  port: number,
): Required<InstanceCheck> {
  const options: Partial<InstanceCheck> | null = typeof asked === 'string' ? { type: asked } : asked;
  if (options === null || !CHECKS.some((known) => known === options.type)) {
    read.problem('check', showValue(typeof asked === 'string' ? asked : options?.type), CHECKS.join(', '));
    return { type: 'none' };
  }
  if (options.type === 'none') return { type: 'none' };
  const keys =
    options.type === 'ttl' ? ['type', 'ttlMs'] : ['type', 'service', 'target', 'useTls', 'intervalMs', 'timeoutMs'];
  const inner = new OptionReader(options, 'instance.check', keys, read.problems);
  if (options.type === 'ttl') {
    return { type: 'ttl', ttlMs: inner.number('ttlMs', { low: 1_000, high: 600_000, fallback: 15_000 }) };
  }
  const target = inner.optional('target', () => inner.text('target', /^[^\s/\p{Cc}]+:\d{1,5}$/u, 'host:port'));
  return {
    type: 'grpc',
    service: inner.optional('service', () => inner.text('service', /^[^\s\p{Cc}]*$/u, 'a name')) ?? '',
    target: target ?? hostAndPort(host, port),
    useTls: inner.flag('useTls'),
    intervalMs: inner.number('intervalMs', { low: 1_000, high: 600_000, fallback: 5_000 }),
    timeoutMs: inner.number('timeoutMs', { low: 100, high: 60_000, fallback: 2_000 }),
  };
}

/** How Consul learns whether an instance is well. */
export type InstanceCheck =
  | {
      /** Consul's agent asks the gRPC health service (`grpc-health-check`) of the server. */
      readonly type: 'grpc';
      /** Name in the health service. Default: the whole server. */
      readonly service?: string;
      /**
       * `host:port` under which the agent reaches the server. Default: the instance's address, else 127.0.0.1, and its
       * port.
       */
      readonly target?: string;
      /** The server speaks TLS. Default false. */
      readonly useTls?: boolean;
      /** Between two questions, 1,000..600,000 ms. Default 5,000. */
      readonly intervalMs?: number;
      /** 100..60,000 ms. Default 2,000. */
      readonly timeoutMs?: number;
    }
  | {
      /**
       * This process reports itself, three times in `ttlMs`; Consul calls it critical when it has not for that long.
       */
      readonly type: 'ttl';
      /** 1,000..600,000 ms. Default 15,000. */
      readonly ttlMs?: number;
    }
  /** Registered means well. */
  | { readonly type: 'none' };

/** How Consul learns that an instance is well. */
export type CheckKind = InstanceCheck['type'];

/** Where an instance says that it is reached, and which variable said so. */
interface FoundAddress {
  readonly address: string;
  readonly from: string;
}

/**
 * The address of an instance that was given none: `GRAYLANE_ADDRESS`; the IP of the Nomad label that has this port;
 * `POD_IP`, as Kubernetes' downward API is usually asked for it. Undefined: the Consul node's own, which is right on a
 * host of its own.
 */
export function findAddress(port: number, env: Environment): FoundAddress | undefined {
  const given = env['GRAYLANE_ADDRESS'];
  if (given !== undefined && given !== '') return { address: given, from: 'GRAYLANE_ADDRESS' };
  for (const [name, value] of Object.entries(env)) {
    const label = /^NOMAD_HOST_PORT_(.+)$/.exec(name)?.[1];
    if (label === undefined || value !== String(port)) continue;
    const from = `NOMAD_HOST_IP_${label}`;
    const address = env[from];
    if (address !== undefined && isIP(address) !== 0) return { address, from };
  }
  const pod = env['POD_IP'];
  return pod !== undefined && isIP(pod) !== 0 ? { address: pod, from: 'POD_IP' } : undefined;
}

/** In one, the address of the Consul node is mostly that of something else. */
export function isInContainer(env: Environment, exists: (path: string) => boolean = existsSync): boolean {
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined || env['container'] !== undefined) return true;
  return exists('/.dockerenv') || exists('/run/.containerenv');
}
