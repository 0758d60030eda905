import type { Command } from 'commander';
import type { DatacenterState, Instance } from '../base/instances';
import type { Membership } from '../policy/membership/membership';
import type { Snapshot } from '../policy/membership/snapshot';
import { defineCommand } from './command';
import { type ConsulFlags, withConsul } from './consul/consul-connection';
import { byText, describeEndpoint, describeZone, formatDuration } from './describe';
import { type PolicySourceName, policySourceOption } from './flags';
import type { CommandIo } from './io';
import { untilInterrupted } from './live-screen';

export function instancesCommand(io: CommandIo): Command {
  const command = defineCommand('instances', {
    summary: 'list the instances of a service by datacenter and subset',
    description:
      "Lists the instances of a service as a client sees them. Age is the time since the instance's meta `started-at` (RFC 3339); " +
      'without it, with --watch, since it was first seen here. Ends with 1 when no instance is usable.',
    examples: [
      ['graylane instances payments', 'in the datacenter of the agent'],
      ['graylane instances payments --dc dc1,dc2 --watch', 'in two, live, until interrupted'],
      ['graylane instances payments --policy chain', "by the subsets of Consul's config entries"],
    ],
  });
  return withConsul(command, 'datacenters, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .option('--watch', 'go on, and show each change')
    .addOption(policySourceOption())
    .action(async (service: string, flags: InstancesFlags) => {
      await listInstances(service, flags, io);
    });
}

export interface InstancesFlags extends ConsulFlags {
  readonly watch?: boolean;
  readonly policy?: PolicySourceName;
}

interface Row {
  readonly datacenter: string;
  readonly subsets: readonly string[];
  /** By those of the subsets whose calls it may not take: why. */
  readonly heldOut: Readonly<Record<string, string>>;
  readonly instance: string;
  readonly endpoint: string;
  /** What its port is called, of several. */
  readonly portName: string | undefined;
  readonly region: string | undefined;
  readonly zone: string | undefined;
  readonly health: Instance['status'];
  /** Consul cannot reach its node, while nothing else speaks against it. */
  readonly isNodeFailed: boolean;
  readonly weight: number;
  /** Undefined where nothing tells. */
  readonly ageMs: number | undefined;
}

interface Listing {
  readonly service: string;
  readonly revision: string;
  readonly datacenters: readonly {
    readonly datacenter: string;
    readonly freshness: string;
    readonly instances: number;
    readonly faults: readonly string[];
  }[];
  readonly instances: readonly Row[];
}

/** With `--watch` and `--json`: a document a line. */
export async function listInstances(service: string, flags: InstancesFlags, io: CommandIo): Promise<void> {
  const [{ watchService }, { membershipOf }] = await Promise.all([
    import('./consul/watched-service.js'),
    import('../policy/membership/membership.js'),
  ]);
  const firstSeen = new Map<string, number>();
  const started = Date.now();
  const print = async (snapshot: Snapshot): Promise<void> => {
    const listing = listingOf(
      snapshot,
      membershipOf(snapshot.plan, snapshot.instances),
      firstSeen,
      flags.watch === true ? started : undefined,
    );
    io.exitCode = listing.instances.some(isUsable) ? 0 : 1;
    if (flags.json !== true) await show(listing, flags.watch === true, io);
    else if (flags.watch === true) io.jsonLine(listing);
    else io.json(listing);
  };
  let queue: Promise<void> = Promise.resolve();
  const onSnapshot = (snapshot: Snapshot): void => {
    queue = queue.then(() => print(snapshot));
  };
  const watched = await watchService(
    {
      service,
      ...(flags.policy === undefined ? {} : { options: { policy: flags.policy } }),
      ...(flags.watch === true ? { onSnapshot } : {}),
    },
    flags,
    io,
  );
  try {
    if (flags.watch !== true) await print(watched.snapshot);
    else await untilInterrupted(io.interrupted);
    await queue;
  } finally {
    await watched.close();
  }
  // An interrupt is how a watch is meant to end.
  if (flags.watch === true) io.exitCode = 0;
}

/** Some subset may send it calls. */
function isUsable({ subsets, heldOut }: Row): boolean {
  return subsets.some((subset) => !Object.hasOwn(heldOut, subset));
}

function listingOf(
  snapshot: Snapshot,
  membership: Membership,
  firstSeen: Map<string, number>,
  watchedSince: number | undefined,
): Listing {
  const now = Date.now();
  const states = statesOf(snapshot);
  const rows = states.flatMap(({ datacenter, instances: listed }) =>
    dialled(listed, membership.groups).map((instance): Row => {
      if (!firstSeen.has(instance.key)) firstSeen.set(instance.key, now);
      const { subsets, heldOut } = placesOf(instance, membership);
      const started = startOf(instance, watchedSince === undefined ? undefined : firstSeen.get(instance.key));
      return {
        datacenter,
        subsets,
        heldOut,
        instance: instance.id,
        endpoint: `${instance.address}:${instance.port}`,
        portName: instance.portName,
        region: instance.region,
        zone: instance.zone,
        health: instance.status,
        isNodeFailed: instance.isNodeFailed === true,
        weight: instance.weight,
        ageMs: started === undefined ? undefined : Math.max(0, now - started),
      };
    }),
  );
  rows.sort((a, b) => compare(a.datacenter, b.datacenter, snapshot) || byText(a.subsets.join(), b.subsets.join()));
  return {
    service: snapshot.service,
    revision: snapshot.plan.revision,
    datacenters: states.map((state) => ({
      datacenter: state.datacenter,
      freshness: freshnessOf(state),
      instances: state.instances.length,
      faults: state.faults ?? [],
    })),
    instances: rows,
  };
}

/** Each as its subsets dial it: one that they dial at another port than its default is there once for each of them. */
function dialled(listed: readonly Instance[], groups: Membership['groups']): readonly Instance[] {
  const members = new Set(groups.flatMap(({ usable, unusable }) => [...usable, ...unusable]));
  const others = new Map<string, Instance[]>();
  for (const member of members) others.set(member.key, [...(others.get(member.key) ?? []), member]);
  return listed.flatMap((instance) => others.get(instance.key) ?? [instance]);
}

/** In which subsets it is, and which of those may not send it calls. */
function placesOf(instance: Instance, membership: Membership): Pick<Row, 'subsets' | 'heldOut'> {
  const own = membership.groups.filter((group) => [...group.usable, ...group.unusable].includes(instance));
  const reasons = own.map(({ subset }) => [subset, membership.whyUnusable(subset, instance)] as const);
  return {
    subsets: own.map(({ subset }) => subset),
    heldOut: Object.fromEntries(reasons.flatMap(([subset, why]) => (why === undefined ? [] : [[subset, why]]))),
  };
}

function startOf({ meta }: Instance, seen: number | undefined): number | undefined {
  const told = Object.hasOwn(meta, 'started-at') ? Date.parse(meta['started-at'] ?? '') : Number.NaN;
  return Number.isNaN(told) ? seen : told;
}

/** Datacenters in the client's order, the local one first. */
function compare(a: string, b: string, snapshot: Snapshot): number {
  const order = statesOf(snapshot).map(({ datacenter }) => datacenter);
  return order.indexOf(a) - order.indexOf(b);
}

/** The service's own, and what a chain looks up elsewhere: other services, other datacenters. */
function statesOf({ instances }: Snapshot): readonly DatacenterState[] {
  return [...new Set([...instances.datacenters, ...(instances.lookups?.values() ?? [])])];
}

function freshnessOf({ freshness }: DatacenterState): string {
  return freshness.kind === 'fresh' ? 'fresh' : `${freshness.kind}: ${freshness.reason ?? 'no answer yet'}`;
}

async function show(listing: Listing, isLive: boolean, io: CommandIo): Promise<void> {
  const { colors } = io;
  if (isLive && io.isTerminal) io.write('\u001b[2J\u001b[H');
  const revision = listing.revision === 'none' ? 'no policy' : `revision ${listing.revision}`;
  io.line(`${colors.bold(listing.service)}  ${revision}${isLive ? `  ${new Date().toISOString()}` : ''}`);
  const health = { passing: colors.green, warning: colors.yellow, critical: colors.red };
  await io.table(
    ['datacenter', 'subset', 'instance', 'endpoint', 'zone', 'health', 'weight', 'age'],
    listing.instances.map((row) => [
      row.datacenter,
      row.subsets.length === 0 ? '(unassigned)' : row.subsets.map((name) => nameOf(name, row)).join(','),
      row.instance,
      describeEndpoint(row.endpoint, row.portName),
      describeZone(row.zone, row.region),
      row.isNodeFailed ? colors.yellow(`${row.health}, node failed`) : health[row.health](row.health),
      String(row.weight),
      row.ageMs === undefined ? '' : formatDuration(row.ageMs),
    ]),
  );
  for (const { datacenter, freshness, instances, faults } of listing.datacenters) {
    for (const fault of faults) io.note(`${datacenter}: ${fault}`);
    if (freshness !== 'fresh') io.note(`${datacenter}: ${freshness}`);
    else if (instances === 0)
      io.note(`${datacenter}: no instances; run graylane doctor ${listing.service} if there should be`);
  }
}

/** Marks an instance with a warning that gets no calls in this subset. */
function nameOf(subset: string, { heldOut, health }: Row): string {
  return health === 'warning' && Object.hasOwn(heldOut, subset) ? `${subset} (no calls)` : subset;
}
