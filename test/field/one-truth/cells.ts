import * as grpc from '@grpc/grpc-js';
import type { DatacenterState } from '../../../src/base/instances';
import { silentLogger } from '../../../src/base/logger';
import { seededRandom } from '../../../src/base/random';
import { createGraylaneWith } from '../../../src/client/graylane';
import type { CallReport, Explanation, Graylane } from '../../../src/index';
import type { Snapshot } from '../../../src/policy/membership/snapshot';
import { foundBy } from '../../../src/policy/places/lookups';
import { type FakeService, fakeService } from '../../../src/testing';
import { compareCommands, placesOf } from './commands';
import { CALLER, withPlaces } from './places';
import { type Call, METHODS, type World, worldOf } from './worlds';

const text = { serialize: (value: string) => Buffer.from(value), deserialize: (bytes: Buffer) => bytes.toString() };
const definition: grpc.ServiceDefinition = Object.fromEntries(
  METHODS.map((path) => [
    path,
    {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: text.serialize,
      requestDeserialize: text.deserialize,
      responseSerialize: text.serialize,
      responseDeserialize: text.deserialize,
    },
  ]),
);

/** Real servers that answer with their own address. They serve all worlds. */
export async function startServers(count: number): Promise<readonly FakeService[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const server: FakeService = await fakeService(
        definition,
        Object.fromEntries(METHODS.map((path) => [path, () => `127.0.0.1:${server.instance.port}`])),
      );
      return server;
    }),
  );
}

/** What was met, so that a run can be told from one that met little. */
export interface Tally {
  cells: number;
  served: number;
  refused: number;
  /** Served by a later tier than the first. */
  later: number;
  forced: number;
  /** By what decided: `kv route`, `chain default`... */
  readonly by: Map<string, number>;
  disagreements: string[];
}

export function emptyTally(): Tally {
  return { cells: 0, served: 0, refused: 0, later: 0, forced: 0, by: new Map(), disagreements: [] };
}

export function describeTally({ cells, served, later, refused, forced, by, disagreements }: Tally): string {
  return (
    `${cells} cells, ${served} served (${later} by a later tier), ${refused} refused, ${forced} forced, ` +
    `${disagreements.length} disagreements (${[...by].map(([name, count]) => `${name} ${count}`).join(', ')})`
  );
}

export interface CellRun {
  readonly address: string;
  readonly add: (world: World) => void | Promise<void>;
  readonly remove: (world: World) => void | Promise<void>;
  readonly servers: number;
  readonly random: () => number;
  readonly callsPerWorld: number;
  /** Two of three worlds with a document lead to another service and to places, too. */
  readonly hasPlaces?: boolean;
}

/** Worlds one after the other; everybody that tells who serves is asked of each call. */
export async function runWorlds(first: number, count: number, run: CellRun): Promise<Tally> {
  const tally = emptyTally();
  for (let number = first; number < first + count; number += 1) {
    const plain = worldOf(number, run.random, run.servers, run.callsPerWorld);
    const world = run.hasPlaces === true && number % 3 > 0 ? withPlaces(plain, number, run.servers) : plain;
    await run.add(world);
    await runWorld(world, run.address, tally);
    await run.remove(world);
  }
  return tally;
}

/** A client of a world's service that is connected to whoever may serve. */
export interface Opened {
  readonly graylane: Graylane;
  /** Explains the call, then makes it. What goes by chance goes the same way for both. */
  ask(call: Call): Promise<Asked>;
  close(): Promise<void>;
}

export interface Asked {
  readonly explanation: Explanation;
  readonly report: CallReport | undefined;
  /** What the server says of itself, or the status. */
  readonly answer: string;
  /** What was drawn wherever chance decides. */
  readonly draw: number;
}

export async function openWorld(world: World, address: string): Promise<Opened> {
  let draw = 0;
  let snapshot: Snapshot | undefined;
  const graylane = createGraylaneWith(
    {
      consul: { address },
      datacenters: world.datacenters,
      logger: silentLogger,
      stateDirectory: false,
      closeTimeoutMs: 0,
      policy: world.source,
      serviceName: CALLER,
    },
    { random: () => draw, env: {} },
    {
      onSnapshot: (next) => {
        snapshot = next;
      },
    },
  );
  const client = new grpc.Client(
    graylane.target(world.service),
    grpc.credentials.createInsecure(),
    graylane.clientOptions(),
  );
  const opened: Opened = {
    graylane,
    ask: async (call) => {
      draw = seededRandom(call.seed)();
      const { force, method, labels } = call;
      const request = { method, labels, ...(force === undefined ? {} : { force }) };
      return { explanation: graylane.explain(world.service, request), ...(await make(graylane, client, call)), draw };
    },
    close: async () => {
      client.close();
      await graylane.close();
    },
  };
  try {
    await connected(graylane, world, () => snapshot);
    await warmLanes(graylane, client, world);
    await connected(graylane, world, () => snapshot);
  } catch (error) {
    await opened.close();
    throw error;
  }
  return opened;
}

export async function runWorld(world: World, address: string, tally: Tally): Promise<void> {
  const told = (what: string): void => {
    tally.disagreements.push(`world ${world.service}: ${what}`);
  };
  const opened = await openWorld(world, address);
  try {
    for (const [index, call] of world.calls.entries()) {
      const { explanation, report, answer, draw } = await opened.ask(call);
      const expected = servingOf(explanation, draw);
      const [attempt] = report?.attempts ?? [];
      tally.cells += 1;
      if (attempt === undefined) tally.refused += 1;
      else tally.served += 1;
      if ((attempt?.tier ?? 0) > 0) tally.later += 1;
      if (call.force !== undefined) tally.forced += 1;
      const by = `${opened.graylane.inspect().services[0]?.policy.origin} ${explanation.routing.decision.by}`;
      tally.by.set(by, (tally.by.get(by) ?? 0) + 1);
      if (attempt?.subset.startsWith('ord-') === true) tally.by.set('elsewhere', (tally.by.get('elsewhere') ?? 0) + 1);
      const { route, subset } = explanation.routing.decision;
      if (report?.decision?.route !== route || report.decision.subset !== subset) {
        told(`decided ${report?.decision?.route} ${report?.decision?.subset}, explained ${route} ${subset}`);
      }
      const isMet =
        attempt === undefined
          ? expected.length === 0
          : answer === attempt.endpoint &&
            expected.some(
              (each) =>
                each.number === attempt.tier &&
                each.subset === attempt.subset &&
                each.datacenter === attempt.datacenter &&
                each.endpoints.includes(attempt.endpoint),
            );
      if (!isMet) {
        told(
          `call ${index} ${JSON.stringify(call)}: served by ${JSON.stringify(attempt)} (${answer}), explained ` +
            `${JSON.stringify(expected)} of ${JSON.stringify(placesOf(explanation))}`,
        );
      }
      compareInspection(opened.graylane, world.service, explanation, told);
      if (index === 0) await compareCommands(world, address, explanation, call, told);
    }
  } finally {
    await opened.close();
  }
}

interface Expected {
  readonly number: number;
  readonly subset: string;
  readonly datacenter: string;
  readonly endpoints: readonly string[];
}

/** Who serves first by an explanation: of the first tier that can, unless this draw is one that it passes on. */
function servingOf({ tiers, refusal, routing }: Explanation, draw: number): readonly Expected[] {
  if (refusal !== undefined) return [];
  const { force } = routing.decision;
  const able = tiers
    .map(({ number, subset, datacenter, kind, keeps, endpoints }) => ({
      number,
      subset,
      datacenter,
      kind,
      keeps,
      endpoints: endpoints.filter(({ heldOut }) => heldOut === undefined).map(({ endpoint }) => endpoint),
    }))
    .filter(({ endpoints }) => endpoints.length > 0);
  // Whoever is named may be in several subsets.
  if (tiers.length > 1 && tiers.every(({ number }) => number === 0)) return able;
  if (force?.instance !== undefined && force.strict !== false) return able;
  // A last resort gets no share of the others' calls.
  const isLast = (at: number): boolean => able.slice(at + 1).every(({ kind }) => kind !== 'listed');
  const keeping = able.find(({ keeps }, at) => keeps >= 1 || draw < keeps || isLast(at));
  return keeping === undefined ? [] : [keeping];
}

/** Everybody who may serve is connected, or as many as the client connects to. */
async function connected(
  graylane: Graylane,
  { service, document }: World,
  snapshot: () => Snapshot | undefined,
): Promise<void> {
  graylane.ready(service, { timeoutMs: 1 }).catch(() => {});
  const deadline = performance.now() + 20_000;
  for (;;) {
    const [found] = graylane.inspect().services;
    const isKnown = found?.datacenters.every(({ known }) => known) === true && isComplete(snapshot());
    const usable = (found?.endpoints ?? []).filter(({ subsets, unusableIn }) => subsets.length > unusableIn.length);
    const open = usable.filter(({ connections }) => connections.length > 0);
    // Lanes are connected by the first call to them.
    const wanted = usable.filter(({ subsets }) => subsets.some((subset) => !subset.startsWith('lane ')));
    const isOpen =
      document?.balancing?.subsetSize === undefined
        ? wanted.every(({ connections }) => connections.length > 0)
        : open.length > 0 || wanted.length === 0;
    const isReady = open.every(({ connections }) => connections.every((state) => state === 'ready'));
    if (isKnown && isReady && (isOpen || usable.length === 0)) break;
    if (performance.now() > deadline) throw new Error(`${service}: ${JSON.stringify(found)}`);
    await turn();
  }
  // Balancers gather what has connected until the end of the turn.
  await turn();
  await turn();
}

/** All that the plan looks for has answered, and Consul has evaluated all of its filters there. */
function isComplete(snapshot: Snapshot | undefined): boolean {
  if (snapshot === undefined) return false;
  const { plan, instances } = snapshot;
  return [...plan.subsets.values()].every(({ filter, lookups }) => {
    const states =
      lookups?.flatMap((lookup): readonly (DatacenterState | undefined)[] => {
        const found = foundBy(lookup, instances.lookups);
        return found.length < (lookup.isEverywhere === true ? instances.datacenters.length : 1) ? [undefined] : found;
      }) ?? instances.datacenters;
    return states.every((state) => state?.known === true && (filter === undefined || state.filters.has(filter)));
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function warmLanes(graylane: Graylane, client: grpc.Client, { service, document }: World): Promise<void> {
  if (document?.lanes === undefined) return;
  const method = METHODS[0] as string;
  for (const { lane } of graylane.inspect().services.find((each) => each.service === service)?.lanes ?? []) {
    await make(graylane, client, { method, labels: { 'x-lane': lane }, force: undefined, seed: 1 });
  }
}

interface Made {
  readonly report: CallReport | undefined;
  readonly answer: string;
}

function make(
  graylane: Graylane,
  client: grpc.Client,
  { method, labels, force }: World['calls'][number],
): Promise<Made> {
  return new Promise((resolve) => {
    let report: CallReport | undefined;
    const scope = {
      retry: false as const,
      observe: (seen: CallReport) => {
        report = seen;
      },
      ...(force === undefined ? {} : { force }),
    };
    graylane.with(scope, () =>
      client.makeUnaryRequest(
        method,
        text.serialize,
        text.deserialize,
        'x',
        graylane.metadata(labels),
        { deadline: Date.now() + 10_000 },
        (error, reply) => {
          // The report comes with the status, which a listener may see before it.
          setImmediate(() => resolve({ report, answer: error === null ? (reply ?? '') : error.details }));
        },
      ),
    );
  });
}

function compareInspection(
  graylane: Graylane,
  service: string,
  { tiers, revision, routing }: Explanation,
  told: (what: string) => void,
): void {
  const found = graylane.inspect().services.find((each) => each.service === service);
  if (found?.policy.revision !== revision) told(`inspect has revision ${found?.policy.revision}, explain ${revision}`);
  for (const { kind, subset, datacenter, endpoints } of tiers) {
    // Of those that take calls where nobody else can it says just that.
    if (kind !== 'listed') continue;
    const { force } = routing.decision;
    if (force?.instance !== undefined || force?.endpoint !== undefined) continue;
    const names = (all: readonly { endpoint: string }[]): string =>
      [...new Set(all.map((each) => each.endpoint))].sort().join();
    const inspected = found?.endpoints.filter(
      (each) => each.datacenter === datacenter && each.subsets.includes(subset),
    );
    const taking = inspected?.filter(({ unusableIn }) => !unusableIn.includes(subset));
    const explained = endpoints.filter(
      ({ heldOut }) => heldOut === undefined || heldOut.startsWith('left to other clients'),
    );
    if (names(inspected ?? []) !== names(endpoints))
      told(`inspect and explain list others in ${subset}, ${datacenter}`);
    if (names(taking ?? []) !== names(explained)) told(`inspect and explain use others in ${subset}, ${datacenter}`);
  }
}
