import type { ChannelOptions } from './grpc-js';

/**
 * Channel options that a lane sets unless the user does. Backoff is capped so that a cured endpoint is back in seconds
 * (grpc-js waits up to two minutes). grpc-js counts what is tried elsewhere because no server took it on as attempts, so its
 * limit stands above the five that a policy may ask for. No keepalive: servers of grpc-go, grpc-java and C-core end a
 * connection that is pinged more often than every 5 minutes without sending anything, and each call on it
 * (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).
 */
export const DEFAULT_CHANNEL_OPTIONS: ChannelOptions = {
  'grpc-node.retry_max_attempts_limit': 10,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
};

/** Not for the user to change: grpc-js would send a target of ours to the proxy named in the environment. */
export const FIXED_CHANNEL_OPTIONS: ChannelOptions = { 'grpc.enable_http_proxy': 0 };
