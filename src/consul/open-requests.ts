import type { Logger } from '../base/logger';

/** How many requests one client has open at one agent. Each blocking query holds one, and with it a connection. */
export interface OpenRequests {
  readonly open: number;
  /** The most that were ever open at once. */
  readonly most: number;
  began(): void;
  ended(): void;
}

/** `limits.http_max_conns_per_client` of a Consul agent, by default; for each client address, all processes together. */
const CONNECTION_LIMIT = 200;
const WARN_FROM = 160;

/** Says once when the limit comes near, and again only after the number has been down to half. */
export function countOpenRequests(address: string, logger: Logger): OpenRequests {
  let open = 0;
  let most = 0;
  let isSaid = false;
  return {
    get open() {
      return open;
    },
    get most() {
      return most;
    },
    began() {
      open += 1;
      most = Math.max(most, open);
      if (open < WARN_FROM || isSaid) return;
      isSaid = true;
      logger.warn(
        'this process alone comes near the connections that a Consul agent takes from one address; beyond, it resets them',
        { address, openRequests: open, limit: CONNECTION_LIMIT, setting: 'limits.http_max_conns_per_client' },
      );
    },
    ended() {
      open -= 1;
      if (open < WARN_FROM / 2) isSaid = false;
    },
  };
}
