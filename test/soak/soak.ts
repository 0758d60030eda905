import { type Random, seededRandom } from '../../src/base/random';
import { createGraylane, type Graylane } from '../../src/index';
import { charge, type PaymentsClient, paymentsClient } from '../support/payments';
import { answerFaults, pause, registryFaults, type SoakFault } from './faults';
import { instanceFaults, ledgerChanges } from './ledger-faults';
import { type LedgerTraffic, openAndClose, ranTwice, startLedgerTraffic } from './ledger-traffic';
import { Losses } from './losses';
import { MachineWatch } from './machine';
import { startPacedCalls } from './paced-calls';
import { held, leftBehind, usedHeapMb } from './resources';
import { startWorld, type World } from './world';

export interface SoakOptions {
  readonly seconds: number;
  /** The same faults in the same order for the same seed. */
  readonly seed: number;
  readonly callsPerSecond: number;
}

export interface SoakReport {
  readonly calls: number;
  /** What callers saw, and what was going on at the time. Calls that may not run again are not here if they were out at an ill instance. */
  readonly losses: Losses;
  readonly ledger: {
    readonly calls: number;
    readonly cancelled: number;
    /** Calls that took 0.9 s or more: what instances suffered was felt. */
    readonly late: number;
    /** Calls that may not run again, lost at an ill instance: all, and most of one spell. */
    readonly lostOfIll: number;
    readonly mostOfOneSpell: string;
    /** Calls that may not run again, and did. */
    readonly twice: readonly string[];
  };
  /** Graylane clients that were opened, called with, and closed. */
  readonly clients: number;
  /** What is held when everything is closed, and was not before. */
  readonly leftBehind: readonly string[];
  /** Handles and timers at the times of `heapMb`. */
  readonly handles: readonly number[];
  /** What could not be done here. */
  readonly notes: readonly string[];
  /** How often each fault was applied, and for how long in all. */
  readonly faults: readonly { readonly name: string; readonly times: number; readonly seconds: number }[];
  /** Used, after a collection, at even intervals. */
  readonly heapMb: readonly number[];
  /** Connections to Consul. */
  readonly mostSockets: number;
  readonly requestsPerSecond: number;
  /** After the last fault. */
  readonly freshAfterMs: number;
  /** A change in each datacenter and one of the policy were heard of at the end. */
  readonly areWatchesAlive: boolean;
}

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
/** Of the calls to the other service. */
const LEDGER_SHARE = 0.4;
/** Of an hour and of 11 minutes alike. */
const MOST_CLIENTS = 1_000;
const CLIENTS_PER_SECOND = 1.5;
const SAMPLES = 12;
const RECOVERY_MS = 45_000;

export async function runSoak({ seconds, seed, callsPerSecond }: SoakOptions): Promise<SoakReport> {
  const world = await startWorld();
  const machine = new MachineWatch();
  const before = held();
  const graylane = createGraylane({
    consul: { address: world.proxy.address, waitMs: 10_000 },
    datacenters: ['dc1', 'dc2'],
    logger: QUIET,
  });
  const closers: (() => unknown)[] = [() => graylane.close()];
  try {
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments', { timeoutMs: 10_000 });
    await graylane.ready('ledger', { timeoutMs: 10_000 });
    const running = new Set<string>();
    const losses = new Losses(machine);
    const traffic = startTraffic(client, callsPerSecond, running, losses);
    const ledger = startLedgerTraffic(graylane, callsPerSecond * LEDGER_SHARE, seededRandom(seed + 3), losses);
    closers.unshift(() => Promise.all([traffic.stop(), ledger.stop()]));
    const applied = new Map<string, { times: number; seconds: number }>();
    const endsAtMs = performance.now() + seconds * 1000;
    const heapMb: number[] = [];
    const handles: number[] = [];
    let mostSockets = 0;
    const sampling = setInterval(
      async () => {
        mostSockets = Math.max(mostSockets, await world.proxy.connections());
      },
      Math.min(1_000, seconds * 20),
    );
    const requests = world.proxy.requests;
    const apply = (faults: readonly SoakFault[], drawn: Random): Promise<void> =>
      applyFaults({ world, ledger, running, applied, endsAtMs }, faults, drawn);
    const { faults: network, notes } = world.ledger.tools;
    const weather = Promise.all([
      apply(registryFaults, seededRandom(seed)),
      apply(answerFaults, seededRandom(seed + 1)),
      apply(instanceFaults(seededRandom(seed + 4), network), seededRandom(seed + 5)),
      apply(ledgerChanges, seededRandom(seed + 2)),
    ]);
    weather.catch((error: Error) => console.error(error));
    const clients = openMany(world, Math.min(MOST_CLIENTS, seconds * CLIENTS_PER_SECOND), seconds, losses);
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      await pause((seconds * 1000) / SAMPLES);
      handles.push(Object.values(held()).reduce((sum, count) => sum + count, 0));
      heapMb.push(await usedHeapMb());
    }
    await weather;
    const opened = await clients;
    clearInterval(sampling);
    const requestsPerSecond = (world.proxy.requests - requests) / seconds;
    const overAtMs = performance.now();
    await until(() => isFresh(graylane));
    const freshAfterMs = performance.now() - overAtMs;
    const areWatchesAlive = await hearsOfChanges(world, graylane);
    await Promise.all([traffic.stop(), ledger.stop()]);
    client.close();
    await graylane.close();
    const mostLost = ledger.spells.reduce(
      (most, spell) => (spell.lost > (most?.lost ?? 0) ? spell : most),
      ledger.spells[0],
    );
    return {
      calls: traffic.calls,
      losses,
      ledger: {
        calls: ledger.calls,
        cancelled: ledger.cancelled,
        late: ledger.late,
        lostOfIll: ledger.spells.reduce((sum, { lost }) => sum + lost, 0),
        mostOfOneSpell: `${mostLost?.lost ?? 0} (${mostLost?.name ?? 'nobody was ill'})`,
        twice: ranTwice(world.ledger.instances.executions()),
      },
      clients: opened,
      leftBehind: await leftBehind(before),
      handles,
      notes,
      faults: [...applied].map(([name, each]) => ({ name, ...each })).sort((a, b) => (a.name < b.name ? -1 : 1)),
      heapMb,
      mostSockets,
      requestsPerSecond,
      freshAfterMs,
      areWatchesAlive,
    };
  } finally {
    for (const close of closers) await close();
    machine.stop();
    await world.stop();
  }
}

/** Evenly over the time, each a Graylane client of its own. */
async function openMany(world: World, count: number, seconds: number, losses: Losses): Promise<number> {
  const began = performance.now();
  let number = 0;
  for (; number < count; number += 1) {
    const open = () => createGraylane({ consul: { address: world.dc1.address }, datacenters: ['dc1'], logger: QUIET });
    const beganMs = performance.now();
    const failure = await openAndClose(open, number);
    if (failure !== undefined) losses.add(failure, beganMs);
    const dueMs = (number * seconds * 1000) / count;
    // On a busy machine there may be fewer.
    if (performance.now() - began > seconds * 1000) break;
    await pause(Math.max(0, dueMs - (performance.now() - began)));
  }
  return number;
}

interface Weather {
  readonly world: World;
  readonly ledger: LedgerTraffic;
  readonly running: Set<string>;
  readonly applied: Map<string, { times: number; seconds: number }>;
  readonly endsAtMs: number;
}

async function applyFaults(weather: Weather, faults: readonly SoakFault[], random: Random): Promise<void> {
  const { world, ledger, running, applied, endsAtMs } = weather;
  let bag: SoakFault[] = [];
  while (performance.now() < endsAtMs) {
    // Every fault once before any comes again.
    if (bag.length === 0) bag = [...faults];
    const [fault] = bag.splice(Math.floor(random() * bag.length), 1) as [SoakFault];
    const lengthMs = 300 + random() * 1_700;
    const calmMs = 200 + random() * 800;
    const entry = applied.get(fault.name) ?? { times: 0, seconds: 0 };
    applied.set(fault.name, entry);
    running.add(fault.name);
    const began = performance.now();
    const recover = fault.isIllness === true ? ledger.fallIll(fault.name) : () => {};
    await fault.run(world, lengthMs).catch((cause: unknown) => {
      throw new Error(`"${fault.name}" could not be done`, { cause });
    });
    recover();
    running.delete(fault.name);
    entry.times += 1;
    entry.seconds += (performance.now() - began) / 1000;
    await pause(calmMs);
  }
}

interface Traffic {
  readonly calls: number;
  stop(): Promise<void>;
}

/** Counts, and keeps nothing of a call that was answered. */
function startTraffic(
  client: PaymentsClient,
  perSecond: number,
  running: ReadonlySet<string>,
  losses: Losses,
): Traffic {
  let calls = 0;
  const one = async (): Promise<void> => {
    const during = [...running].join(' + ');
    const beganMs = performance.now();
    try {
      await charge(client, {}, { deadline: Date.now() + 2_000 });
    } catch (error) {
      losses.add(`${(error as Error).message} (during: ${during || 'calm'})`, beganMs);
    }
    calls += 1;
  };
  const paced = startPacedCalls(perSecond, one);
  return {
    get calls() {
      return calls;
    },
    stop: paced.stop,
  };
}

function isFresh(graylane: Graylane): boolean {
  const datacenters = paymentsOf(graylane)?.datacenters ?? [];
  return datacenters.length === 2 && datacenters.every(({ freshness }) => freshness === 'fresh');
}

function paymentsOf(graylane: Graylane) {
  return graylane.inspect().services.find(({ service }) => service === 'payments');
}

/** A change of each watched thing, made at Consul, arrives. */
async function hearsOfChanges(world: World, graylane: Graylane): Promise<boolean> {
  const counts = (): readonly number[] => paymentsOf(graylane)?.datacenters.map(({ critical }) => critical) ?? [];
  const index = (): string | undefined => paymentsOf(graylane)?.policy.index;
  const former = index();
  await world.register(world.dc1, world.near.slice(0, 1), 'critical');
  await world.register(world.dc2, world.far.slice(0, 1), 'critical');
  await world.putPolicy(33);
  return until(() => counts().join() === '1,1' && index() !== former);
}

async function until(isSo: () => boolean): Promise<boolean> {
  const deadline = performance.now() + RECOVERY_MS;
  while (!isSo()) {
    if (performance.now() > deadline) return false;
    await pause(20);
  }
  return true;
}
