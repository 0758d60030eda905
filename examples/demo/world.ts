import { createGraylane, type Graylane, type Logger } from 'graylane';
import { startConsul } from '../../test/support/consul/start';
import type { Fleet, Instance } from './fleet';
import { createPolicy } from './policy';

export const DATACENTERS = ['dc1', 'dc2'] as const;

/** Where instances and the policy are written down, and the Graylane client that reads them there. */
export interface World {
  readonly source: 'consul' | 'static';
  readonly graylane: Graylane;
  /** The agent at home, for the `graylane` command; undefined without Consul. */
  readonly consul: string | undefined;
  /** Tells of an instance, or of its new port. */
  announce(instance: Instance): Promise<void>;
  writePolicy(canaryPercent: number): Promise<void>;
  close(): Promise<void>;
}

/** The table has the screen to itself; what the library would log is what the demo shows. */
const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Two Consul datacenters, or the embedded static source where no Consul can be had. `GRAYLANE_DEMO_SOURCE=static` or
 * `consul` insists on one of them. `onFallback` hears why it is not Consul.
 */
export async function createWorld(fleet: Fleet, onFallback: (reason: string) => void): Promise<World> {
  const wanted = process.env['GRAYLANE_DEMO_SOURCE'];
  if (wanted === 'static') {
    onFallback('GRAYLANE_DEMO_SOURCE=static');
    return createStaticWorld(fleet);
  }
  try {
    return await createConsulWorld();
  } catch (error) {
    if (wanted === 'consul') throw error;
    onFallback(error instanceof Error ? error.message : String(error));
    return createStaticWorld(fleet);
  }
}

async function createConsulWorld(): Promise<World> {
  const consul = await startConsul({ datacenters: DATACENTERS });
  const local = consul.dc(DATACENTERS[0]);
  const graylane = createGraylane({ consul: { address: local.address }, datacenters: DATACENTERS, logger });
  return {
    source: 'consul',
    graylane,
    consul: local.address,
    announce: ({ id, version, datacenter, port }) =>
      consul.dc(datacenter).register({
        name: 'payments',
        id,
        address: '127.0.0.1',
        port,
        tags: [version],
        // Consul's own check, as in production: nobody tells it that an instance was killed.
        more: { Check: { TCP: `127.0.0.1:${port}`, Interval: '1s', Timeout: '1s', Status: 'passing' } },
      }),
    writePolicy: (canaryPercent) =>
      local.putKv('graylane/policies/payments', JSON.stringify(createPolicy(canaryPercent))),
    async close() {
      await graylane.close();
      await consul.stop();
    },
  };
}

function createStaticWorld(fleet: Fleet): World {
  const graylane = createGraylane({ instances: { payments: [] }, datacenters: DATACENTERS, logger });
  return {
    source: 'static',
    graylane,
    consul: undefined,
    async announce() {
      // The list keeps whoever was killed: that it is dead shows in its connection.
      graylane.setInstances(
        'payments',
        fleet.instances.map(({ id, version, datacenter, port }) => ({
          id,
          address: '127.0.0.1',
          port,
          datacenter,
          tags: [version],
        })),
      );
    },
    async writePolicy(canaryPercent) {
      graylane.setPolicy('payments', createPolicy(canaryPercent));
    },
    close: () => graylane.close(),
  };
}
