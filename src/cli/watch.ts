import type { Command } from 'commander';
import { defined } from '../base/defined';
import type { Instance } from '../base/instances';
import type { LogFields, Logger } from '../base/logger';
import { instancesOf as everyInstance, type Snapshot } from '../policy/membership/snapshot';
import { defineCommand } from './command';
import { type ConsulFlags, withConsul } from './consul/consul-connection';
import { type PolicySourceName, policySourceOption } from './flags';
import type { CommandIo } from './io';
import { untilInterrupted } from './live-screen';

export function watchCommand(io: CommandIo): Command {
  const command = defineCommand('watch', {
    summary: 'show policy revisions and instance changes as they arrive',
    description:
      'Shows what a client of this library hears of a service, a line for each change, until interrupted. With --json, an ' +
      'object a line.',
    examples: [
      ['graylane watch payments', 'while a policy is applied or a deployment runs'],
      ['graylane watch payments --dc all --json', 'in every datacenter, for a script'],
    ],
  });
  return withConsul(command, 'datacenters, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .addOption(policySourceOption())
    .action(async (service: string, flags: WatchFlags) => {
      await watchChanges(service, flags, io);
    });
}

interface WatchFlags extends ConsulFlags {
  readonly policy?: PolicySourceName;
}

interface Change {
  readonly kind: 'policy' | 'instance' | 'source' | 'note';
  readonly change: string;
  readonly datacenter?: string;
  readonly instance?: string;
  readonly details?: string;
}

async function watchChanges(service: string, flags: WatchFlags, io: CommandIo): Promise<void> {
  const print = (change: Change): void => {
    const at = new Date().toISOString();
    if (flags.json === true) io.jsonLine({ at, service, ...change });
    else io.line(describe(at, change, io));
  };
  const { watchService } = await import('./consul/watched-service.js');
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
  const change = plan.revision === 'none' ? 'no policy' : `revision ${plan.revision}`;
  const details = [`from ${plan.origin}`, plan.index === undefined ? undefined : `index ${plan.index}`];
  return [{ kind: 'policy', change, details: details.filter((part) => part !== undefined).join(', ') }];
}

function instanceChanges(former: Snapshot | undefined, next: Snapshot): readonly Change[] {
  const before = instancesOf(former);
  const after = instancesOf(next);
  const changes: Change[] = [];
  for (const [key, instance] of after) {
    const known = before.get(key);
    const { datacenter, id } = instance;
    if (known === undefined) {
      changes.push({ kind: 'instance', change: 'added', datacenter, instance: id, details: stateOf(instance) });
    } else if (stateOf(known) !== stateOf(instance)) {
      const details = `${stateOf(known)} -> ${stateOf(instance)}`;
      changes.push({ kind: 'instance', change: 'changed', datacenter, instance: id, details });
    }
  }
  for (const [key, { datacenter, id }] of before) {
    if (!after.has(key)) changes.push({ kind: 'instance', change: 'gone', datacenter, instance: id });
  }
  return changes;
}

function sourceChanges(former: Snapshot | undefined, next: Snapshot): readonly Change[] {
  return next.instances.datacenters.flatMap(({ datacenter, freshness }): Change[] => {
    const known = former?.instances.datacenters.find((state) => state.datacenter === datacenter)?.freshness.kind;
    if (known === freshness.kind || (known === undefined && freshness.kind === 'fresh')) return [];
    const reason = freshness.kind === 'fresh' ? undefined : freshness.reason;
    const base = { kind: 'source' as const, change: freshness.kind, datacenter };
    return [reason === undefined ? base : { ...base, details: reason }];
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
