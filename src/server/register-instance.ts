import { createConsulClient } from '../discovery/consul/client';
import { systemClock } from '../internal/clock';
import { consoleLogger, safeLogger } from '../internal/logger';
import { systemRandom } from '../internal/random';
import { AgentRegistry } from './agent-registry';
import { type InstanceOptions, parseInstanceOptions } from './instance-options';
import { InstanceRegistration } from './instance-registration';
import type { Registration } from './registration';

/**
 * Registers a server that has been bound with the Consul agent of its machine, and keeps it registered: while the agent
 * is away it is tried again, and after the agent lost it, too. Throws INVALID_OPTION with every problem found.
 */
export function registerInstance(options: InstanceOptions): Registration {
  const instance = parseInstanceOptions(options);
  const client = createConsulClient(instance.consul, { clock: systemClock });
  return new InstanceRegistration(instance, {
    registry: new AgentRegistry(client, instance),
    clock: systemClock,
    random: systemRandom,
    logger: safeLogger(options.logger ?? consoleLogger),
    close: () => client.close(),
  });
}
