import type { ListedService, PolicySummary } from '../../ops/console/answers';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { readServiceNames } from '../consul/instances-now';
import { inSlices, nameOf, orFailure, readEvery, type StoreSession, withStore } from '../consul/store-session';
import { byText } from '../describe';
import { faultsIn } from '../drill/drills';
import type { CommandIo } from '../io';
import { summaryOf } from '../policy/read-policies';

/** Every service that Consul lists or has a policy of, with what is in force. Consul's own is left out. */
export async function listServices(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const found = new Map<string, { registeredIn: string[]; policies: PolicySummary[]; drills: number }>();
    const entry = (service: string) => {
      const known = found.get(service) ?? { registeredIn: [], policies: [], drills: 0 };
      found.set(service, known);
      return known;
    };
    const reasons: string[] = [];
    for (const datacenter of session.datacenters) {
      const [names, stored] = await Promise.all([
        readServiceNames(session.connection.client, datacenter),
        orFailure(readEvery(session, datacenter)),
      ]);
      for (const name of names ?? []) if (name !== 'consul') entry(name).registeredIn.push(nameOf(datacenter));
      if ('failure' in stored) {
        reasons.push(`${nameOf(datacenter)}: ${stored.failure}`);
        continue;
      }
      for (const each of stored) {
        const service = entry(each.service);
        service.policies.push(...summaryOf(each));
        service.drills += faultsIn(each).filter(({ inForce }) => inForce).length;
      }
    }
    if (reasons.length === session.datacenters.length) throw new CommandError(2, reasons.join('; '));
    for (const reason of reasons) io.note(reason);
    const rollouts = await rolloutsOf(session);
    for (const service of rollouts.keys()) entry(service);
    const listed = [...found].map(([service, rest]): ListedService => {
      return { service, ...rest, rollout: rollouts.get(service) ?? null };
    });
    io.json(listed.sort((a, b) => byText(a.service, b.service)));
  });
}

/** Empty where the token may not read rollouts. */
async function rolloutsOf({ rollouts }: StoreSession): Promise<ReadonlyMap<string, ListedService['rollout']>> {
  const names = await orFailure(rollouts.names());
  if ('failure' in names) return new Map();
  const read = await inSlices(names, async (service) => ({ service, stored: await orFailure(rollouts.read(service)) }));
  return new Map(
    read.flatMap(({ service, stored }) => {
      if ('failure' in stored || stored.record === undefined) return [];
      const { state, weight, document } = stored.record.progress;
      return [[service, { state: state.kind, weight, canary: document.canary }] as const];
    }),
  );
}
