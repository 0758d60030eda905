import { defined } from '../base/defined';
import type { DatacenterState, Instance } from '../base/instances';
import { type Membership, membershipOf } from '../policy/membership/membership';
import type { Snapshot } from '../policy/membership/snapshot';
import type { ConsulFlags } from './consul/consul-connection';
import { noteUnregistered, watchService } from './consul/watched-service';
import { byText, describeEndpoint, describeZone, formatDuration } from './describe';
import type { PolicySourceName } from './flags';
import type { CommandIo } from './io';
import { untilInterrupted } from './live-screen';

type Listing = ReturnType<typeof listingOf>;
type Row = Listing['instances'][number];

/** With `--watch` and `--json`: a document a line. */
export async function listInstances(
  service: string,
  flags: ConsulFlags & { readonly watch?: boolean; readonly policy?: PolicySourceName },
  io: CommandIo,
): Promise<void> {
  const { watch: isLive = false, policy } = flags;
  const firstSeen = new Map<string, number>();
  const print = async (snapshot: Snapshot): Promise<void> => {
    const listing = listingOf(snapshot, isLive ? firstSeen : undefined);
    io.exitCode = listing.instances.some(isUsable) ? 0 : 1;
    if (isLive) io.jsonLine(listing);
    else io.json(listing);
    if (!io.asJson) await show(listing, isLive, io);
  };
  let queue: Promise<void> = Promise.resolve();
  const onSnapshot = (snapshot: Snapshot): void => {
    queue = queue.then(() => print(snapshot));
  };
  const options = defined({ policy });
  const watched = await watchService({ service, options, ...(isLive ? { onSnapshot } : {}) }, flags, io);
  try {
    if (isLive) await untilInterrupted(io.interrupted);
    else {
      await print(watched.snapshot);
      await noteUnregistered(watched.snapshot, flags, io);
    }
    await queue;
  } finally {
    await watched.close();
  }
  // A watch always ends by an interrupt, which is no problem.
  if (isLive) io.exitCode = 0;
}

/** At least one subset may send the instance calls. */
function isUsable({ subsets, heldOut }: Row): boolean {
  return subsets.some((subset) => !Object.hasOwn(heldOut, subset));
}

/** `firstSeen`: when each instance was first seen here; undefined for a single look. */
function listingOf(snapshot: Snapshot, firstSeen: Map<string, number> | undefined) {
  const now = Date.now();
  const membership = membershipOf(snapshot.plan, snapshot.instances);
  const states = statesOf(snapshot);
  const rows = dialled(states, membership.groups).map(({ datacenter, found }) => {
    const [instance] = found;
    const { id, key, address, port, portName, region, zone, status: health, isNodeFailed, weight } = instance;
    if (firstSeen?.has(key) === false) firstSeen.set(key, now);
    const started = startOf(instance) ?? firstSeen?.get(key);
    return {
      datacenter,
      ...placesOf(found, membership),
      instance: id,
      endpoint: `${address}:${port}`,
      ...{ portName, region, zone, health, weight },
      /** Consul cannot reach its node, while nothing else speaks against it. */
      isNodeFailed: isNodeFailed === true,
      /** Undefined where nothing tells. */
      ageMs: started === undefined ? undefined : Math.max(0, now - started),
    };
  });
  // In the client's order of datacenters, the local one first.
  const order = states.map(({ datacenter }) => datacenter);
  rows.sort(
    (a, b) => order.indexOf(a.datacenter) - order.indexOf(b.datacenter) || byText(a.subsets.join(), b.subsets.join()),
  );
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

/** What takes calls at one address; found by each look-up that leads there, so perhaps several times. */
interface Dialled {
  readonly datacenter: string;
  readonly found: [Instance, ...Instance[]];
}

/** The instances with the ports that their subsets dial: one for each port. */
function dialled(states: readonly DatacenterState[], groups: Membership['groups']): readonly Dialled[] {
  const members = new Set(groups.flatMap(({ usable, unusable }) => [...usable, ...unusable]));
  const others = new Map<string, Instance[]>();
  for (const member of members) others.set(member.key, [...(others.get(member.key) ?? []), member]);
  const all = new Map<string, Dialled>();
  for (const { datacenter, instances } of states) {
    for (const instance of instances.flatMap((listed) => others.get(listed.key) ?? [listed])) {
      const place = `${datacenter} ${instance.key} ${instance.address}:${instance.port}`;
      const known = all.get(place);
      if (known === undefined) all.set(place, { datacenter, found: [instance] });
      else if (!known.found.includes(instance)) known.found.push(instance);
    }
  }
  return [...all.values()];
}

/** The subsets of an instance, and why some of them may not send it calls. */
function placesOf(
  found: readonly Instance[],
  membership: Membership,
): { readonly subsets: readonly string[]; readonly heldOut: Readonly<Record<string, string>> } {
  const subsets: string[] = [];
  const heldOut: Record<string, string> = {};
  for (const { subset, usable, unusable } of membership.groups) {
    const instance = found.find((one) => usable.includes(one) || unusable.includes(one));
    if (instance === undefined) continue;
    subsets.push(subset);
    const why = membership.whyUnusable(subset, instance);
    if (why !== undefined) heldOut[subset] = why;
  }
  return { subsets, heldOut };
}

function startOf({ meta }: Instance): number | undefined {
  const told = Object.hasOwn(meta, 'started-at') ? Date.parse(meta['started-at'] ?? '') : Number.NaN;
  return Number.isNaN(told) ? undefined : told;
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
  if (isLive && io.canRedraw) io.write('\u001b[2J\u001b[H');
  const revision = listing.revision === 'none' ? 'no policy' : `revision ${listing.revision}`;
  io.line(`${colors.bold(listing.service)}  ${revision}${isLive ? `  ${new Date().toISOString()}` : ''}`);
  const health = { passing: colors.green, warning: colors.yellow, critical: colors.red };
  await io.table(listing.instances, {
    datacenter: (row) => row.datacenter,
    subset: (row) => row.subsets.map((name) => nameOf(name, row)).join(',') || '(unassigned)',
    instance: (row) => row.instance,
    endpoint: (row) => describeEndpoint(row.endpoint, row.portName),
    zone: (row) => describeZone(row.zone, row.region),
    health: (row) => (row.isNodeFailed ? colors.yellow(`${row.health}, node failed`) : health[row.health](row.health)),
    weight: (row) => row.weight,
    age: ({ ageMs }) => (ageMs === undefined ? '' : formatDuration(ageMs)),
  });
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
