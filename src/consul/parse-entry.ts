import type { Instance } from '../base/instances';
import { isRecord } from '../base/is-record';
import { peerPlace } from '../base/peer-place';
import { bareAddress } from './bare-address';
import { healthOf } from './entry-health';
import { localityOf } from './entry-locality';
import { portOf } from './entry-port';

/** The largest weight that Consul itself accepts. */
const MAX_WEIGHT = 65_535;
const MAX_ADDRESS_LENGTH = 255;

type Json = Readonly<Record<string, unknown>>;

/** What was asked for, and who hears of what cannot be used. */
export interface EntryRules {
  /** The port that is called so, of a service with several. Default: its default port. */
  readonly port?: string | undefined;
  /** Of this cluster peer. */
  readonly peer?: string | undefined;
  /** Told why an entry that is well formed cannot be dialled: `payments-1: no port is named grpc; it has http 8080`. */
  readonly onFault?: (fault: string) => void;
}

/**
 * One entry of `/v1/health/service`, or undefined when it cannot be used. Fields that are not needed may be anything, so
 * that newer servers are understood. `datacenter` stands in where the node names none. An instance of a peer has the peer's
 * name as its datacenter: that of its node is another cluster's word, and often equal to a name here.
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

/** `meta.weight` where it is a number; other text is somebody else's. */
function numberIn(meta: Readonly<Record<string, string>>): number | undefined {
  const text = Object.hasOwn(meta, 'weight') ? (meta['weight'] ?? '').trim() : '';
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !hasControl(value);
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
