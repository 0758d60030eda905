import type { Instance } from '../../../base/instances';
import type { Breaker } from '../../breaker/breaker';
import type { FailureShares } from '../../breaker/outlier/failure-shares';
import type { EndpointLoad } from './load';

/**
 * An address that calls can go to, as one client knows it: all channels of the client share it, so that its load and
 * its latency are those of the whole process. Kept as long as its identity (datacenter and address) is known; everything
 * that changes about its instance is written into it.
 */
export interface Endpoint {
  /** `datacenter/context:port`. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly datacenter: string;
  /** The latest entry that discovery gave for this address. */
  instance: Instance;
  /** Weight in force: the instance's, reduced during slow start and where it turns calls away. > 0. */
  weight: number;
  readonly load: EndpointLoad;
  /** How many of its attempts failed lately: its pools compare it with its peers. */
  readonly shares: FailureShares;
  /** Undefined until its first failure. */
  breaker: Breaker | undefined;
  /** When it last answered a call well, in monotonic milliseconds; -Infinity before. */
  answeredAtMs: number;
}

/** An endpoint as one channel reaches it. Only READY ones are ever handed to a pool picker. */
export interface Connection {
  readonly endpoint: Endpoint;
}
