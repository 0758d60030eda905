import { type Instance, type NamedPort, peerPlace } from '../base/instances';
import { isRecord } from '../base/is-record';
import { PORT_NAME } from '../base/names';
import { bareAddress } from './address';

/** The largest weight that Consul itself accepts. */
const MAX_WEIGHT = 65_535;
const MAX_ADDRESS_LENGTH = 255;
/** Of the ID of an instance, and the name of its node: V8 hashes texts above 16,383 characters by their length alone. */
const MAX_NAME_LENGTH = 1_024;

type Json = Readonly<Record<string, unknown>>;

/** What was asked for, and what is called with entries that cannot be used. */
export interface EntryRules {
  /** The port that is called so, of a service with several. Default: its default port. */
  readonly port?: string | undefined;
  /** Of this cluster peer. */
  readonly peer?: string | undefined;
  /** Told why an entry that is well formed cannot be dialled: `payments-1: no port is named grpc; it has http 8080`. */
  readonly onFault?: (fault: string) => void;
}

/**
 * One entry of `/v1/health/service`, or undefined when it cannot be used. Fields that are not needed may be anything,
 * so that newer servers are understood. `datacenter` stands in where the node names none. An instance of a peer has the
 * peer's name as its datacenter: that of its node is another cluster's word, and often equal to a name here.
 */
export function parseEntry(entry: unknown, datacenter: string, rules: EntryRules = {}): Instance | undefined {
  if (!isRecord(entry) || !isRecord(entry['Node']) || !isRecord(entry['Service'])) return undefined;
  const { Node: node, Service: service } = entry as { readonly Node: Json; readonly Service: Json };
  const health = healthOf(entry['Checks']);
  const id = service['ID'];
  const nodeName = node['Node'];
  const peer = nonEmpty(service['PeerName']) ?? nonEmpty(node['PeerName']) ?? rules.peer;
  const place = peer === undefined ? (node['Datacenter'] ?? datacenter) : peerPlace(peer);
  const tags = service['Tags'] ?? [];
  const meta = service['Meta'] ?? {};
  const registered = service['ModifyIndex'];
  // An empty service address means the node's.
  const written = service['Address'] === undefined || service['Address'] === '' ? node['Address'] : service['Address'];
  const address = typeof written === 'string' ? bareAddress(written) : written;
  if (health === undefined || !isName(id) || !isName(nodeName) || !isName(place)) return undefined;
  if (!isAddress(address) || !isTags(tags) || !isMeta(meta)) return undefined;
  const { status, isNodeFailed } = health;
  const weight = weightOf(service['Weights'], meta, status);
  if (weight === undefined) return undefined;
  const dialled = portOf(service, rules.port);
  if ('fault' in dialled) {
    rules.onFault?.(`${id}: ${dialled.fault}`);
    return undefined;
  }
  const { zone, region } = localityOf(meta, service, node);
  return {
    key: `${place}/${nodeName}/${id}`,
    id,
    node: nodeName,
    datacenter: place,
    ...(peer === undefined ? {} : { peer }),
    zone,
    ...(region === undefined ? {} : { region }),
    address,
    ...dialled,
    tags,
    meta,
    status,
    weight,
    ...(isNodeFailed ? { isNodeFailed: true } : {}),
    ...(typeof registered === 'number' ? { registered } : {}),
  };
}

function weightOf(
  weights: unknown,
  meta: Readonly<Record<string, string>>,
  status: Instance['status'],
): number | undefined {
  if (weights !== undefined && weights !== null && !isRecord(weights)) return undefined;
  const given = isRecord(weights) ? weights : {};
  const passing = numberIn(meta) ?? given['Passing'] ?? 1;
  const warning = given['Warning'] ?? 1;
  if (!isWeight(passing) || !isWeight(warning)) return undefined;
  // A critical instance is known and gets nothing.
  return status === 'passing' ? passing : status === 'warning' ? warning : 0;
}

/** `meta.weight` where it is a number; other text is ignored. */
function numberIn(meta: Readonly<Record<string, string>>): number | undefined {
  const text = Object.hasOwn(meta, 'weight') ? (meta['weight'] ?? '').trim() : '';
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH && !hasControl(value);
}

function isAddress(value: unknown): value is string {
  return isName(value) && value.length <= MAX_ADDRESS_LENGTH && !/[\s/]/.test(value);
}

function isWeight(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_WEIGHT;
}

function isTags(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((tag) => typeof tag === 'string' && !hasControl(tag));
}

function isMeta(value: unknown): value is Readonly<Record<string, string>> {
  return isRecord(value) && Object.values(value).every((one) => typeof one === 'string');
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** The port that an instance is dialled at, or why there is none. */
type EntryPort =
  | { readonly port: number; readonly portName?: string; readonly ports?: readonly NamedPort[] }
  | { readonly fault: string };

/** A message names no more ports. */
const PORTS_SHOWN = 10;

/**
 * Reads the port of a service in a health answer. A service with several ports has `Port: 0` and `Ports: [{ Name, Port,
 * Default }]` (Consul 1.22 and later): its default port is used, or the one that is called `wanted`.
 * https://developer.hashicorp.com/consul/docs/connect/proxy/multiport
 */
function portOf(service: Json, wanted: string | undefined): EntryPort {
  const { Port: single } = service;
  const ports = portsIn(service['Ports']);
  if (ports.length === 0) {
    if (wanted !== undefined) return { fault: `no port is named ${wanted}; its one port has no name` };
    if (isPort(single)) return { port: single };
    const socket = service['SocketPath'];
    const isSocket = typeof socket === 'string' && socket !== '';
    return {
      fault: isSocket ? 'is served at a Unix socket (SocketPath), not at an address and port' : 'has no port to dial',
    };
  }
  const [first] = ports;
  const found =
    wanted === undefined
      ? (ports.find(({ isDefault }) => isDefault) ?? (ports.length === 1 ? first : undefined))
      : ports.find(({ name }) => name === wanted);
  if (found === undefined) {
    const asked = wanted === undefined ? 'none of its ports is the default' : `no port is named ${wanted}`;
    return { fault: `${asked}; it has ${describePorts(ports)}` };
  }
  return {
    port: found.port,
    portName: found.name,
    ports: ports.map(({ name, port }) => ({ name, port })),
  };
}

/** `grpc 9090, http 8080`. */
function describePorts(ports: readonly NamedPort[]): string {
  const shown = ports.slice(0, PORTS_SHOWN).map(({ name, port }) => `${name} ${port}`);
  return ports.length > PORTS_SHOWN ? `${shown.join(', ')}, ...` : shown.join(', ');
}

/** Those that are sound; each name once. */
function portsIn(value: unknown): readonly (NamedPort & { readonly isDefault: boolean })[] {
  if (!Array.isArray(value)) return [];
  const seen = new Set<string>();
  return value.flatMap((one: unknown) => {
    if (!isRecord(one)) return [];
    const { Name: name, Port: port } = one;
    if (typeof name !== 'string' || !PORT_NAME.test(name) || !isPort(port) || seen.has(name)) return [];
    seen.add(name);
    return [{ name, port, isDefault: one['Default'] === true }];
  });
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

interface EntryHealth {
  /** The worst of the instance's own checks, of maintenance, and of the node's own checks. */
  readonly status: Instance['status'];
  /** Others cannot reach its node, while nothing else speaks against the instance. */
  readonly isNodeFailed: boolean;
}

/** What other nodes (gossip) or consul-esm think of a node that they cannot reach. */
const OPINIONS: ReadonlySet<unknown> = new Set(['serfHealth', 'externalNodeHealth']);

/**
 * The worst check counts. Maintenance, of the service or its node, is a critical check. Whether others reach the node
 * is told apart: they may be cut off from it while its callers are not. Undefined: no list of checks.
 * https://developer.hashicorp.com/consul/docs/architecture/gossip
 */
function healthOf(checks: unknown): EntryHealth | undefined {
  if (!Array.isArray(checks)) return undefined;
  let worst: Instance['status'] = 'passing';
  let isFailed = false;
  for (const check of checks) {
    const status = isRecord(check) ? check['Status'] : undefined;
    if (status === 'critical') {
      if (isOpinion(check)) isFailed = true;
      else worst = 'critical';
    } else if (status === 'warning') worst = worst === 'critical' ? worst : 'warning';
    else if (status !== 'passing') return undefined;
  }
  return { status: worst, isNodeFailed: isFailed && worst !== 'critical' };
}

function isOpinion(check: Readonly<Record<string, unknown>>): boolean {
  const { CheckID: id, ServiceID: service } = check;
  return OPINIONS.has(id) && (service === undefined || service === '');
}

interface EntryLocality {
  readonly zone: string | undefined;
  readonly region: string | undefined;
}

/**
 * Where an instance is. The zone: `meta.zone`, `meta.availability_zone`, then `Locality.Zone` of the service; then the
 * same of its node. The region: `Locality.Region` of the service, then of its node (Consul 1.16 and later).
 */
function localityOf(meta: Json, service: Json, node: Json): EntryLocality {
  const [ofService, ofNode] = [service['Locality'], node['Locality']].map((one): Json => (isRecord(one) ? one : {}));
  return {
    zone: zoneIn(meta) ?? nonEmpty(ofService?.['Zone']) ?? zoneIn(node['Meta']) ?? nonEmpty(ofNode?.['Zone']),
    region: nonEmpty(ofService?.['Region']) ?? nonEmpty(ofNode?.['Region']),
  };
}

/** The zone that the meta of a service, or of a node, names. */
export function zoneIn(meta: unknown): string | undefined {
  return isRecord(meta) ? (nonEmpty(meta['zone']) ?? nonEmpty(meta['availability_zone'])) : undefined;
}
