import { defined } from '../base/defined';
import type { Instance } from '../base/instances';
import type { LogFields, Logger } from '../base/logger';
import { instancesOf as everyInstance, type Snapshot } from '../policy/membership/snapshot';
import type { ConsulFlags } from './consul/consul-connection';
import { watchService } from './consul/watched-service';
import type { PolicySourceName } from './flags';
import type { CommandIo } from './io';
import { untilInterrupted } from './live-screen';

interface Change {
  readonly kind: 'policy' | 'instance' | 'source' | 'note';
  readonly change: string;
  readonly datacenter?: string;
  readonly instance?: string;
  readonly details?: string;
}

/** `watch`. */
export async function watchChanges(
  service: string,
  flags: ConsulFlags & { readonly policy?: PolicySourceName },
  io: CommandIo,
): Promise<void> {
  const print = (change: Change): void => {
    const at = new Date().toISOString();
    io.jsonLine({ at, service, ...change });
    io.line(describe(at, change, io));
  };
  let former: Snapshot | undefined;
  const watched = await watchService(
    {
      service,
      options: { logger: relay(print), ...defined({ policy: flags.policy }) },
      onSnapshot: (snapshot) => {
        for (const change of changesBetween(former, snapshot)) print(change);
        former = snapshot;
      },
    },
    flags,
    io,
  );
  try {
    await untilInterrupted(io.interrupted);
  } finally {
    await watched.close();
  }
}

/** Prints the warnings and errors that the library logs: they come without a snapshot. */
function relay(print: (change: Change) => void): Logger {
  const note =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      const rest = Object.entries(fields).filter(([key, value]) => key !== 'service' && value !== undefined);
      const details = rest.map(([key, value]) => `${key} ${String(value)}`).join(', ');
      print({ kind: 'note', change: `${level}: ${message}`, ...(details === '' ? {} : { details }) });
    };
  return { debug() {}, info() {}, warn: note('warning'), error: note('error') };
}

function changesBetween(former: Snapshot | undefined, next: Snapshot): readonly Change[] {
  return [...policyChanges(former, next), ...instanceChanges(former, next), ...sourceChanges(former, next)];
}

function policyChanges(former: Snapshot | undefined, { plan }: Snapshot): readonly Change[] {
  if (former?.plan === plan) return [];
  const { revision, origin, index } = plan;
  const details = `from ${origin}${index === undefined ? '' : `, index ${index}`}`;
  return [{ kind: 'policy', change: revision === 'none' ? 'no policy' : `revision ${revision}`, details }];
}

function instanceChanges(former: Snapshot | undefined, next: Snapshot): readonly Change[] {
  const before = instancesOf(former);
  const after = instancesOf(next);
  const kind = 'instance';
  const present = [...after.values()].flatMap((instance): Change[] => {
    const { key, datacenter, id } = instance;
    const known = before.get(key);
    const [was, is] = [known && stateOf(known), stateOf(instance)];
    if (was === undefined) return [{ kind, change: 'added', datacenter, instance: id, details: is }];
    return was === is ? [] : [{ kind, change: 'changed', datacenter, instance: id, details: `${was} -> ${is}` }];
  });
  const gone = [...before.values()].filter(({ key }) => !after.has(key));
  return [
    ...present,
    ...gone.map(({ datacenter, id }): Change => ({ kind, change: 'gone', datacenter, instance: id })),
  ];
}

function sourceChanges(former: Snapshot | undefined, next: Snapshot): readonly Change[] {
  return next.instances.datacenters.flatMap(({ datacenter, freshness }): Change[] => {
    const known = former?.instances.datacenters.find((state) => state.datacenter === datacenter)?.freshness.kind;
    if ((known ?? 'fresh') === freshness.kind) return [];
    const reason = freshness.kind === 'fresh' ? undefined : freshness.reason;
    return [{ kind: 'source', change: freshness.kind, datacenter, ...defined({ details: reason }) }];
  });
}

function instancesOf(snapshot: Snapshot | undefined): ReadonlyMap<string, Instance> {
  const all = snapshot === undefined ? [] : everyInstance(snapshot.instances);
  return new Map(all.map((instance) => [instance.key, instance]));
}

function stateOf({ address, port, status, weight, tags }: Instance): string {
  return `${address}:${port} ${status} weight ${weight}${tags.length === 0 ? '' : ` [${tags.join(', ')}]`}`;
}

function describe(at: string, { kind, change, datacenter, instance, details }: Change, { colors }: CommandIo): string {
  const color = kind === 'policy' ? colors.cyan : kind === 'note' ? colors.yellow : colors.bold;
  const what = [change, instance, datacenter === undefined ? undefined : `in ${datacenter}`, details];
  return `${colors.dim(at)} ${color(kind.padEnd(8))} ${what.filter((part) => part !== undefined).join('  ')}`;
}
