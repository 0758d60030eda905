import type { ChannelLink } from '../balancer/host';
import type { Filter, FilterFactory, StatusObject } from './grpc-js';
import type { LaneCall } from './lane-call';

const DEADLINE_EXCEEDED = 4;

/**
 * Writes into the final status of a call that ran out of time before any attempt why it had to wait. Only given to calls
 * that begin while the channel is not ready.
 */
export function reasonFilters(call: LaneCall, link: ChannelLink): FilterFactory[] {
  const filter: Filter = {
    sendMetadata: (metadata) => metadata,
    receiveMetadata: (metadata) => metadata,
    sendMessage: (message) => message,
    receiveMessage: (message) => message,
    receiveTrailers: (status) => explain(status, call, link),
  };
  return [{ createFilter: () => filter }];
}

function explain(status: StatusObject, call: LaneCall, link: ChannelLink): StatusObject {
  if (status.code !== DEADLINE_EXCEEDED || call.tried !== undefined) return status;
  const reason = call.decision === undefined ? link.host.pendingReason() : link.waitingReason?.();
  return reason === undefined ? status : { ...status, details: `${status.details}; ${reason}` };
}
