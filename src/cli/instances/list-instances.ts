import type { DatacenterState, Instance } from '../../base/instances';
import { type Membership, membershipOf } from '../../policy/membership/membership';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { ConsulFlags } from '../consul/consul-connection';
import { watchService } from '../consul/watched-service';
import { describeEndpoint, describeZone } from '../describe-place';
import type { PolicySourceName } from '../input/policy-source';
import type { CommandIo } from '../io';
import { spellDuration } from '../spell-duration';

export interface InstancesFlags extends ConsulFlags {
  readonly watch?: boolean;
  readonly policy?: PolicySourceName;
  readonly json?: boolean;
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
  const firstSeen = new Map<string, number>();
  const started = Date.now();
  const print = async (snapshot: Snapshot): Promise<void> => {
    const listing = listingOf(snapshot, firstSeen, flags.watch === true ? started : undefined);
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

export function untilInterrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // Nothing of a Graylane client keeps a process alive.
    const awake = setInterval(() => {}, 60_000);
    const end = (): void => {
      clearInterval(awake);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function listingOf(snapshot: Snapshot, firstSeen: Map<string, number>, watchedSince: number | undefined): Listing {
  const { plan, instances } = snapshot;
  const membership = membershipOf(plan, instances);
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
  rows.sort((a, b) => compare(a.datacenter, b.datacenter, snapshot) || byName(a.subsets.join(), b.subsets.join()));
  return {
    service: snapshot.service,
    revision: plan.revision,
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

/** Datacenters in the Graylane client's order, the local one first. */
function compare(a: string, b: string, snapshot: Snapshot): number {
  const order = statesOf(snapshot).map(({ datacenter }) => datacenter);
  return order.indexOf(a) - order.indexOf(b);
}

/** The service's own, and what a chain looks up elsewhere: other services, other datacenters. */
function statesOf({ instances }: Snapshot): readonly DatacenterState[] {
  return [...new Set([...instances.datacenters, ...(instances.lookups?.values() ?? [])])];
}

function byName(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
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
      row.ageMs === undefined ? '' : spellDuration(row.ageMs),
    ]),
  );
  for (const { datacenter, freshness, instances, faults } of listing.datacenters) {
    for (const fault of faults) io.note(`${datacenter}: ${fault}`);
    if (freshness !== 'fresh') io.note(`${datacenter}: ${freshness}`);
    else if (instances === 0)
      io.note(`${datacenter}: no instances; run graylane doctor ${listing.service} if there should be`);
  }
}

/** An instance that only warns looks as if it served: that it does not is told. */
function nameOf(subset: string, { heldOut, health }: Row): string {
  return health === 'warning' && Object.hasOwn(heldOut, subset) ? `${subset} (no calls)` : subset;
}
