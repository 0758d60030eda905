import type { FakeService } from '../../../src/testing';
import { startServers } from './cells';
import { type Registry, startRegistry } from './registry';

/** Real servers, used again by every world, and a registry that answers as Consul does. */
export interface Ground {
  readonly registry: Registry;
  readonly servers: readonly FakeService[];
  close(): Promise<void>;
}

/** More than a world has instances. */
export const SERVERS = 36;

export async function openGround(): Promise<Ground> {
  const servers = await startServers(SERVERS);
  const registry = await startRegistry((server) => servers[server]?.instance.port ?? 0);
  return {
    registry,
    servers,
    close: async () => {
      for (const server of servers) server.stop();
      await registry.stop();
    },
  };
}
