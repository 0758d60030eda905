import { systemClock } from '../base/clock';
import { consoleLogger, safeLogger } from '../base/logger';
import { systemRandom } from '../base/random';
import { createConsulClient } from '../consul/client';
import { AgentRegistry } from './agent-registry';
import { InstanceMembers } from './instance-members';
import { type InstanceOptions, isInContainer, parseInstanceOptions } from './instance-options';
import { InstanceRegistration, type Registration } from './instance-registration';

/**
 * Registers a server that has been bound with the Consul agent of its machine, and keeps it registered: while the agent
 * is away it is tried again, and after the agent lost it, too. Throws INVALID_OPTION with every problem found.
 */
export function registerInstance(options: InstanceOptions): Registration {
  const instance = parseInstanceOptions(options);
  const client = createConsulClient(instance.consul, { clock: systemClock });
  const logger = safeLogger(options.logger ?? consoleLogger);
  if (instance.address === undefined && isInContainer(process.env)) {
    logger.warn(
      'the instance is registered at the address of its Consul node, which in a container is mostly not its own',
      {
        instance: instance.id,
        expected: 'instance.address, or GRAYLANE_ADDRESS, POD_IP',
      },
    );
  }
  return new InstanceRegistration(instance, {
    registry: new AgentRegistry(client, instance),
    clock: systemClock,
    random: systemRandom,
    members:
      instance.stateDirectory === false
        ? undefined
        : new InstanceMembers(instance.stateDirectory, instance.id, instance.consul.addresses[0]?.text ?? ''),
    logger,
    close: () => client.close(),
  });
}
