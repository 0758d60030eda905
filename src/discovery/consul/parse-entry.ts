import { isRecord } from '../../internal/is-record';
import { peerOf } from '../../internal/peer-place';
import type { Instance } from '../source';

/** The largest weight that Consul itself accepts. */
const MAX_WEIGHT = 65_535;
const MAX_ADDRESS_LENGTH = 255;

type Json = Readonly<Record<string, unknown>>;

/**
 * One entry of `/v1/health/service`, or undefined when it is malformed. Fields that are not needed may be anything, so
 * that newer servers are understood. `datacenter` stands in where the node names none; where it is a peer it holds, since the
 * peer's datacenters bear names that mean others here.
 */
export function parseEntry(entry: unknown, datacenter: string): Instance | undefined {
  if (!isRecord(entry) || !isRecord(entry['Node']) || !isRecord(entry['Service'])) return undefined;
  const { Node: node, Service: service } = entry as { readonly Node: Json; readonly Service: Json };
  const status = statusOf(entry['Checks']);
  const id = service['ID'];
  const nodeName = node['Node'];
  const nodeDatacenter = peerOf(datacenter) === undefined ? (node['Datacenter'] ?? datacenter) : datacenter;
  const tags = service['Tags'] ?? [];
  const meta = service['Meta'] ?? {};
  const port = service['Port'];
  // An empty service address means the node's.
  const address = service['Address'] === undefined || service['Address'] === '' ? node['Address'] : service['Address'];
  if (status === undefined || !isName(id) || !isName(nodeName) || !isName(nodeDatacenter)) return undefined;
  if (!isAddress(address) || !isPort(port) || !isTags(tags) || !isMeta(meta)) return undefined;
  const weight = weightOf(service['Weights'], meta, status);
  if (weight === undefined) return undefined;
  return {
    key: `${nodeDatacenter}/${nodeName}/${id}`,
    id,
    node: nodeName,
    datacenter: nodeDatacenter,
    zone: zoneOf(meta, service, node),
    address,
    port,
    tags,
    meta,
    status,
    weight,
  };
}

/** The worst check counts. Maintenance, of the service or its node, is a critical check. */
function statusOf(checks: unknown): Instance['status'] | undefined {
  if (!Array.isArray(checks)) return undefined;
  let worst: Instance['status'] = 'passing';
  for (const check of checks) {
    const status = isRecord(check) ? check['Status'] : undefined;
    if (status === 'critical') worst = 'critical';
    else if (status === 'warning') worst = worst === 'critical' ? worst : 'warning';
    else if (status !== 'passing') return undefined;
  }
  return worst;
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
  if (!isWeight(passing) || passing === 0 || !isWeight(warning)) return undefined;
  // A critical instance is known and gets nothing.
  return status === 'passing' ? passing : status === 'warning' ? warning : 0;
}

/** `meta.weight` where it is a number; other text is somebody else's. */
function numberIn(meta: Readonly<Record<string, string>>): number | undefined {
  const text = Object.hasOwn(meta, 'weight') ? (meta['weight'] ?? '').trim() : '';
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function zoneOf(meta: Readonly<Record<string, string>>, service: Json, node: Json): string | undefined {
  const [ofService, ofNode] = [service['Locality'], node['Locality']].map((one) => (isRecord(one) ? one['Zone'] : ''));
  return zoneIn(meta) ?? nonEmpty(ofService) ?? zoneIn(node['Meta']) ?? nonEmpty(ofNode);
}

/** The zone that the meta of a service, or of a node, names. */
export function zoneIn(meta: unknown): string | undefined {
  return isRecord(meta) ? (nonEmpty(meta['zone']) ?? nonEmpty(meta['availability_zone'])) : undefined;
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

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
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
