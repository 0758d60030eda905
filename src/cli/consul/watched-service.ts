import type { DatacenterState } from '../../base/instances';
import { silentLogger } from '../../base/logger';
import { type Random, seededRandom, systemRandom } from '../../base/random';
import { sleep } from '../../base/sleep';
import type { Graylane } from '../../client/api';
import { DEFAULT_DATACENTER } from '../../client/discovery/listed-services';
import { createGraylaneWith } from '../../client/graylane';
import type { GraylaneOptions } from '../../client/options';
import { isFilterSettled } from '../../client/state/readiness';
import type { Snapshot } from '../../policy/membership/snapshot';
import { foundBy } from '../../policy/places/lookups';
import { CommandError } from '../command';
import { didYouMean } from '../describe';
import type { CommandIo } from '../io';
import { type ConsulFlags, consulOptions, namedDatacenters, withConsul } from './consul-connection';
import { readServiceNames } from './instances-now';

export interface WatchedService {
  readonly graylane: Graylane;
  /** As it is now. */
  readonly snapshot: Snapshot;
  close(): Promise<void>;
}

interface WatchRequest {
  readonly service: string;
  /** Options of the client, besides the address of Consul. With `instances`, Consul is not asked. */
  readonly options?: GraylaneOptions;
  readonly seed?: number;
  /** Called with each snapshot, the first one included. */
  readonly onSnapshot?: (snapshot: Snapshot) => void;
}

const KNOWN_WITHIN_MS = 5_000;
/** Longer is not waited for the name of the agent's datacenter, which a token may not be allowed to read. */
const NAMED_WITHIN_MS = 500;
const LOOK_EVERY_MS = 5;

/**
 * Opens a Graylane client and waits until it knows the service. Makes no calls and no connections to instances. Throws
 * a CommandError that says what is missing; the client is then closed.
 */
export async function watchService(request: WatchRequest, flags: ConsulFlags, io: CommandIo): Promise<WatchedService> {
  const { service, options = {}, seed } = request;
  if (options.instances === undefined && flags.dc !== undefined) {
    await withConsul(flags, io, (connection) => connection.datacenters());
  }
  let snapshot: Snapshot | undefined;
  let random: Random = systemRandom;
  const graylane = createGraylaneWith(
    {
      ...(options.instances === undefined ? { consul: await consulOptions(flags, io), ...datacenters(flags) } : {}),
      logger: silentLogger,
      stateDirectory: false,
      closeTimeoutMs: 0,
      name: 'graylane command',
      ...options,
    },
    { random: () => random(), env: io.env },
    {
      onSnapshot: (next) => {
        snapshot = next;
        request.onSnapshot?.(next);
      },
    },
  );
  try {
    // `ready()` also waits for a connection, which is not needed here; the service is watched anyway.
    graylane.ready(service, { timeoutMs: 1 }).catch(() => {});
    const waitWhile = async (isWaiting: () => boolean, limitMs: number): Promise<void> => {
      const deadline = performance.now() + limitMs;
      while (isWaiting() && performance.now() < deadline && !io.interrupted.aborted) await sleep(LOOK_EVERY_MS);
    };
    // A client starts with the first datacenter that answers; this command needs all of them.
    await waitWhile(() => !isComplete(snapshot), KNOWN_WITHIN_MS);
    // The first instance says what its datacenter is called. Where there is none, the agent says so a moment later.
    if (options.instances === undefined) await waitWhile(() => isUnnamed(snapshot), NAMED_WITHIN_MS);
    if (snapshot === undefined) {
      const { pending } = graylane.inspect().services.find((one) => one.service === service) ?? {};
      throw new CommandError(2, pending ?? 'nothing is known', `run graylane doctor ${service}`);
    }
  } catch (error) {
    await graylane.close();
    throw error;
  }
  // Discovery uses random pauses before; the seed is for the decisions that are asked for from here on.
  if (seed !== undefined) random = seededRandom(seed);
  return {
    graylane,
    get snapshot() {
      return snapshot as Snapshot;
    },
    close: () => graylane.close(),
  };
}

const NAMES_WITHIN_MS = 1_000;

/** Notes which service was most likely meant, where Consul lists no instance of this one. */
export async function noteUnregistered(
  { service, instances }: Snapshot,
  flags: ConsulFlags,
  io: CommandIo,
): Promise<void> {
  if (instances.datacenters.some((state) => state.instances.length > 0)) return;
  const [named] = flags.dc === 'all' ? [] : namedDatacenters(flags);
  const names = await withConsul(flags, io, ({ client }) => readServiceNames(client, named, NAMES_WITHIN_MS));
  if (names === undefined || names.includes(service)) return;
  const hint = didYouMean(service, names);
  if (hint !== '') io.note(`no instance of ${service} is registered; ${hint}`);
}

function datacenters(flags: ConsulFlags): Pick<GraylaneOptions, 'datacenters'> {
  if (flags.dc === 'all') return { datacenters: 'all' };
  const named = namedDatacenters(flags).filter((name) => name !== undefined);
  return named.length === 0 ? {} : { datacenters: named };
}

function isUnnamed(snapshot: Snapshot | undefined): boolean {
  return snapshot?.instances.datacenters.some(({ datacenter }) => datacenter === DEFAULT_DATACENTER) === true;
}

function isComplete(snapshot: Snapshot | undefined): boolean {
  if (snapshot?.instances.datacenters.every(isHeardOf) !== true) return false;
  const { lookups } = snapshot.instances;
  return [...snapshot.plan.subsets.values()].every((subset) =>
    (subset.lookups ?? snapshot.plan.peers ?? []).every((lookup) => {
      const found = foundBy(lookup, lookups);
      return found.length > 0 && found.every((state) => isHeardOf(state) && isFiltered(state, subset.filter));
    }),
  );
}

function isFiltered(state: DatacenterState, filter: string | undefined): boolean {
  return filter === undefined || isFilterSettled(state, filter, true) || state.freshness.kind !== 'fresh';
}

/** The datacenter has answered, or there is a reason why not. */
function isHeardOf({ known, freshness }: DatacenterState): boolean {
  return known || freshness.kind !== 'pending' || freshness.reason !== undefined;
}
