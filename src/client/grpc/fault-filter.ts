import type { Faults } from '../balancer/faults/faults';
import type { CallState } from './call-state';
import type { Filter, FilterFactory, StatusObject } from './grpc-js';

/** Tells the faults of the policy how a call ended for its caller. */
export function faultFilter(call: CallState, faults: Faults): FilterFactory {
  const filter: Filter = {
    sendMetadata: (metadata) => metadata,
    receiveMetadata: (metadata) => metadata,
    sendMessage: (message) => message,
    receiveMessage: (message) => message,
    receiveTrailers: (status) => told(status, call, faults),
  };
  return { createFilter: () => filter };
}

function told(status: StatusObject, call: CallState, faults: Faults): StatusObject {
  if (call.faulted !== undefined) faults.ended(call, call.faulted, status.code, status.details ?? '');
  return status;
}
