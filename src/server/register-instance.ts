import { createConsulClient } from '../discovery/consul/client';
import { type Clock, systemClock } from '../internal/clock';
import { consoleLogger, safeLogger } from '../internal/logger';
import { type Random, systemRandom } from '../internal/random';
import { AgentRegistry } from './agent-registry';
import { type InstanceOptions, parseInstanceOptions } from './instance-options';
import { InstanceRegistration, type Registration } from './registration';

interface Seams {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Registers a server that has been bound with the Consul agent of its machine, and keeps it registered: while the agent
 * is away it is tried again, and after the agent lost it, too. Throws INVALID_OPTION with every problem found.
 */
export function registerInstance(options: InstanceOptions): Registration {
  return keepInstance(options, { clock: systemClock, random: systemRandom });
}

/** @internal With the world handed in, for tests. */
export function keepInstance(options: InstanceOptions, seams: Seams): Registration {
  const instance = parseInstanceOptions(options);
  const client = createConsulClient(instance.consul, seams);
  return new InstanceRegistration(instance, {
    ...seams,
    registry: new AgentRegistry(client, instance),
    logger: safeLogger(options.logger ?? consoleLogger),
    close: () => client.close(),
  });
}
