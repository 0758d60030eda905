import type { Instance } from '../base/instances';
import { isRecord } from '../base/is-record';

export interface EntryHealth {
  /** The worst of the instance's own checks and of what somebody says on purpose: maintenance, a check of the node's own. */
  readonly status: Instance['status'];
  /** Others cannot reach its node, while nothing else speaks against the instance. */
  readonly isNodeFailed: boolean;
}

/** What other nodes (gossip) or consul-esm think of a node that they cannot reach. */
const OPINIONS: ReadonlySet<unknown> = new Set(['serfHealth', 'externalNodeHealth']);

/**
 * The worst check counts. Maintenance, of the service or its node, is a critical check. Whether others reach the node is told
 * apart: they may be cut off from it while its callers are not. Undefined: no list of checks.
 * https://developer.hashicorp.com/consul/docs/architecture/gossip
 */
export function healthOf(checks: unknown): EntryHealth | undefined {
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
