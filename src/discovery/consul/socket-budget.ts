import type { Logger } from '../../internal/logger';
import type { ConsulClient } from './client';

/** Consul's `http_max_conns_per_client`: for all connections from one address, whichever process they belong to. */
const CONSUL_LIMIT = 200;
const WARN_FROM = 160;

const open = new WeakMap<ConsulClient, number>();

/**
 * Counts the blocking queries of one client, each of which holds a connection all the time, and warns once each time that they
 * come near to what Consul allows. Returns how to give the place back. Idempotent.
 */
export function takeSocket(client: ConsulClient, logger: Logger | undefined): () => void {
  const count = (open.get(client) ?? 0) + 1;
  open.set(client, count);
  if (count === WARN_FROM) {
    logger?.warn('so many queries are open that Consul may soon refuse connections (http_max_conns_per_client)', {
      open: count,
      limit: CONSUL_LIMIT,
    });
  }
  let isTaken = true;
  return () => {
    if (!isTaken) return;
    isTaken = false;
    open.set(client, (open.get(client) ?? 1) - 1);
  };
}
