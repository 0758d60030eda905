import { statusNameOf } from '../../base/status-names';

/**
 * The attributes of OpenTelemetry's stable conventions for RPC (1.45) that are used here:
 * https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/
 */
export const RPC_SYSTEM = 'rpc.system.name';
export const RPC_METHOD = 'rpc.method';
export const RPC_STATUS = 'rpc.status_code';
export const SERVER_ADDRESS = 'server.address';
export const SERVER_PORT = 'server.port';
export const ERROR_TYPE = 'error.type';

/** Our own. docs/observability.md describes each. */
export const SERVICE = 'graylane.service';
export const ROUTE = 'graylane.route';
/** On a call: the subset decided on. On an attempt: the one that its endpoint was picked from. */
export const SUBSET = 'graylane.subset';
/** Name of the lane that a call leads to; on spans alone. In metrics the subset of all lanes is `lane`. */
export const LANE = 'graylane.lane';
export const SERVED_BY = 'graylane.served_by';
export const INSTANCE = 'graylane.instance';
export const DATACENTER = 'graylane.datacenter';
export const LOCALITY = 'graylane.locality';
/** Of an attempt in the local datacenter: `own`, `other` or `unknown`, beside the zone of the client. */
export const ZONE_CROSSING = 'graylane.zone.crossing';
export const TIER = 'graylane.tier';
export const REVISION = 'graylane.policy.revision';
export const STICKY = 'graylane.sticky';
export const FORCED = 'graylane.forced';
export const FALLBACK = 'graylane.fallback';
export const PANIC = 'graylane.panic';
export const BREAKER = 'graylane.breaker';
export const ATTEMPTS = 'graylane.attempts';
/** What gRFC A72 calls `previous-rpc-attempts`. */
export const PREVIOUS_ATTEMPTS = 'graylane.previous_attempts';
export const CLIENT = 'graylane.client';
export const STATE = 'graylane.state';
export const LEVEL = 'graylane.level';
/** Name of a fault of the policy. */
export const FAULT = 'graylane.fault';
/** `abort` or `delay`. */
export const FAULT_KIND = 'graylane.fault.kind';
/** What became of a call that a fault concerns. */
export const OUTCOME = 'graylane.outcome';
/** On the span of a copy. */
export const MIRROR = 'graylane.mirror';
/** Of copies: `mirror`, or `noise` for one to the call's own destination. */
export const MIRROR_KIND = 'graylane.mirror.kind';
export const MIRROR_REASON = 'graylane.mirror.reason';
export const MIRROR_RESULT = 'graylane.mirror.result';
export const MIRROR_FIELD = 'graylane.mirror.field';

/** `OK`, `UNAVAILABLE`, ...; a number that is no gRPC code counts as UNKNOWN, so that labels stay bounded. */
export function statusText(code: number): string {
  return code === 0 ? 'OK' : (statusNameOf(code) ?? 'UNKNOWN');
}
