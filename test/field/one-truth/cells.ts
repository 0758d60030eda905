import * as grpc from '@grpc/grpc-js';
import picocolors from 'picocolors';
import { connectConsul } from '../../../src/cli/consul/consul-connection';
import { readRegistryView } from '../../../src/cli/consul/registry-view';
import { explainCall } from '../../../src/cli/explain/explain-call';
import { listInstances } from '../../../src/cli/instances/list-instances';
import type { CommandIo } from '../../../src/cli/io';
import { sideBySide } from '../../../src/effect/outcomes';
import { createLane } from '../../../src/graylane';
import type { CallReport, Explanation, Graylane } from '../../../src/index';
import { silentLogger } from '../../../src/internal/logger';
import { seededRandom } from '../../../src/internal/random';
import { compileChain } from '../../../src/policy/chain/compile';
import { compilePolicy, emptyPlan } from '../../../src/policy/compile';
import type { Plan } from '../../../src/policy/plan';
import { type FakeService, fakeService } from '../../../src/testing/index';
import { DATACENTERS, METHODS, type World, worldOf } from './worlds';

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
  disagreements: string[];
}

function emptyTally(): Tally {
  return { cells: 0, served: 0, refused: 0, later: 0, forced: 0, disagreements: [] };
}

export function describeTally({ cells, served, later, refused, forced, disagreements }: Tally): string {
  return (
    `${cells} cells, ${served} served (${later} by a later tier), ${refused} refused, ${forced} forced, ` +
    `${disagreements.length} disagreements`
  );
}

export interface CellRun {
  readonly address: string;
  readonly add: (world: World) => void | Promise<void>;
  readonly remove: (world: World) => void | Promise<void>;
  readonly servers: number;
  readonly random: () => number;
  readonly callsPerWorld: number;
}

/** Worlds one after the other; everybody that tells who serves is asked of each call. */
export async function runWorlds(first: number, count: number, run: CellRun): Promise<Tally> {
  const tally = emptyTally();
  for (let number = first; number < first + count; number += 1) {
    const world = worldOf(number, run.random, run.servers, run.callsPerWorld);
    await run.add(world);
    await runWorld(world, run.address, tally);
    await run.remove(world);
  }
  return tally;
}

async function runWorld(world: World, address: string, tally: Tally): Promise<void> {
  // What goes by chance goes the same way for whoever is asked.
  let draw = 0;
  const lane = createLane(
    {
      consul: { address },
      datacenters: world.datacenters,
      logger: silentLogger,
      stateDirectory: false,
      closeTimeoutMs: 0,
      policy: world.source,
    },
    { random: () => draw, env: {} },
  );
  const client = new grpc.Client(lane.target(world.service), grpc.credentials.createInsecure(), lane.clientOptions());
  const told = (what: string): void => {
    tally.disagreements.push(`world ${world.service}: ${what}`);
  };
  try {
    await connected(lane, world);
    for (const [index, call] of world.calls.entries()) {
      draw = seededRandom(call.seed)();
      const { force, method, labels } = call;
      const explanation = lane.explain(world.service, { method, labels, ...(force === undefined ? {} : { force }) });
      const expected = servingOf(explanation, draw);
      const { report, answer } = await make(lane, client, call);
      const [attempt] = report?.attempts ?? [];
      tally.cells += 1;
      if (attempt === undefined) tally.refused += 1;
      else tally.served += 1;
      if ((attempt?.tier ?? 0) > 0) tally.later += 1;
      if (force !== undefined) tally.forced += 1;
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
      compareInspection(lane, world.service, explanation, told);
      if (index === 0) await compareCommands(world, address, explanation, call, told);
    }
  } finally {
    client.close();
    await lane.close();
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
    .map(({ number, subset, datacenter, keeps, endpoints }) => ({
      number,
      subset,
      datacenter,
      keeps,
      endpoints: endpoints.filter(({ heldOut }) => heldOut === undefined).map(({ endpoint }) => endpoint),
    }))
    .filter(({ endpoints }) => endpoints.length > 0);
  // Whoever is named may be in several subsets.
  if (tiers.length > 1 && tiers.every(({ number }) => number === 0)) return able;
  if (force?.instance !== undefined && force.strict !== false) return able;
  const keeping = able.find(({ keeps }, at) => keeps >= 1 || draw < keeps || at === able.length - 1);
  return keeping === undefined ? [] : [keeping];
}

/** Everybody who may serve is connected, or as many as the client connects to. */
async function connected(lane: Graylane, { service, document }: World): Promise<void> {
  lane.ready(service, { timeoutMs: 1 }).catch(() => {});
  const deadline = performance.now() + 20_000;
  for (;;) {
    const [found] = lane.inspect().services;
    const isKnown = found !== undefined && found.snapshot > 0 && found.datacenters.every(({ known }) => known);
    const usable = (found?.endpoints ?? []).filter(({ subsets, unusableIn }) => subsets.length > unusableIn.length);
    const open = usable.filter(({ connections }) => connections.length > 0);
    const isOpen = document?.balancing?.subsetSize === undefined ? open.length === usable.length : open.length > 0;
    const isReady = open.every(({ connections }) => connections.every((state) => state === 'ready'));
    if (isKnown && isReady && (isOpen || usable.length === 0)) return;
    if (performance.now() > deadline) throw new Error(`${service}: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Made {
  readonly report: CallReport | undefined;
  readonly answer: string;
}

function make(lane: Graylane, client: grpc.Client, { method, labels, force }: World['calls'][number]): Promise<Made> {
  return new Promise((resolve) => {
    let report: CallReport | undefined;
    const scope = {
      retry: false as const,
      observe: (seen: CallReport) => {
        report = seen;
      },
      ...(force === undefined ? {} : { force }),
    };
    lane.with(scope, () =>
      client.makeUnaryRequest(
        method,
        text.serialize,
        text.deserialize,
        'x',
        lane.metadata(labels),
        { deadline: Date.now() + 10_000 },
        (error, reply) => {
          // The report comes with the status, which a listener may see before it.
          setImmediate(() => resolve({ report, answer: error === null ? (reply ?? '') : error.details }));
        },
      ),
    );
  });
}

type Places = readonly (readonly [
  number: number,
  subset: string,
  datacenter: string,
  endpoints: readonly string[],
  keeps: number,
])[];

/** What does not depend on who asks: neither connections nor the client's own share. */
function placesOf({ tiers }: Pick<Explanation, 'tiers'>): Places {
  return tiers.map(({ number, subset, datacenter, endpoints, keeps }) => [
    number,
    subset,
    datacenter,
    endpoints.map(({ instance, endpoint, heldOut }) => `${instance} ${endpoint} ${heldOut ?? 'takes calls'}`),
    keeps,
  ]);
}

function compareInspection(
  lane: Graylane,
  service: string,
  { tiers, revision, routing }: Explanation,
  told: (what: string) => void,
): void {
  const found = lane.inspect().services.find((each) => each.service === service);
  if (found?.policy.revision !== revision) told(`inspect has revision ${found?.policy.revision}, explain ${revision}`);
  for (const { subset, datacenter, endpoints } of tiers) {
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

async function compareCommands(
  world: World,
  address: string,
  explanation: Explanation,
  call: World['calls'][number],
  told: (what: string) => void,
): Promise<void> {
  const { service, datacenters } = world;
  const flags = { consul: address, dc: datacenters.join(','), policy: world.source };
  const { force, method, labels, seed } = call;
  const listing = (await jsonOf((io) => listInstances(service, { ...flags, json: true }, io))) as Listing;
  const command = (await jsonOf((io) =>
    explainCall(service, { ...flags, json: true, method, label: labels, seed }, io),
  )) as Explanation & { canServe: boolean };
  const size = world.document?.balancing?.subsetSize;
  if (force === undefined && size === undefined) {
    const [one, other] = [JSON.stringify(placesOf(command)), JSON.stringify(placesOf(explanation))];
    if (one !== other) told(`graylane explain says ${one}, explain() ${other}`);
    if (command.routing.decision.subset !== explanation.routing.decision.subset)
      told('graylane explain decides otherwise');
  }
  for (const { subset, datacenter, endpoints } of command.tiers) {
    const there = listing.instances.filter((row) => row.datacenter === datacenter && row.subsets.includes(subset));
    const taking = there.filter(({ heldOut }) => heldOut[subset] === undefined);
    const explained = endpoints.filter(
      ({ heldOut }) => heldOut === undefined || heldOut.startsWith('left to other clients'),
    );
    const ids = (rows: readonly { readonly instance: string }[]): string =>
      rows
        .map(({ instance }) => instance)
        .sort()
        .join();
    if (ids(there) !== ids(endpoints)) told(`graylane instances and explain list others in ${subset}, ${datacenter}`);
    if (ids(taking) !== ids(explained)) told(`graylane instances and explain use others in ${subset}, ${datacenter}`);
  }
  if ([...datacenters].sort().join() === DATACENTERS.join()) await compareJudgement(world, address, command, told);
}

/** `apply`, `validate --consul` and `doctor` judge by this who answers the calls of a route. */
async function compareJudgement(
  world: World,
  address: string,
  command: Explanation,
  told: (what: string) => void,
): Promise<void> {
  if (world.datacenters.join() !== DATACENTERS.join()) return;
  const connection = await connectConsul({ consul: address }, commandIo());
  try {
    const plan = planOf(world);
    const judged = { service: world.service, datacenter: undefined };
    const { instances } = await readRegistryView(connection, judged, [plan]);
    const { outcomes } = sideBySide(plan, plan, instances, Date.now()).after;
    const { route, subset, tiers } = command.routing.decision;
    // Two entries of a chain's split may lead to one subset, in another order.
    const order = JSON.stringify(tiers);
    const outcome = outcomes.find(
      ({ name, decision }) =>
        name === route &&
        decision.destination.subset === subset &&
        JSON.stringify(decision.destination.tiers) === order,
    );
    // What nothing can lead to is not judged.
    if (outcome === undefined) return;
    const first = command.tiers.find(({ endpoints }) => endpoints.some(({ heldOut }) => canTake(heldOut)));
    const explained = (first?.endpoints ?? []).filter(({ heldOut }) => canTake(heldOut)).map((each) => each.instance);
    const serving = outcome.serving.map(({ id }) => id);
    if (serving.sort().join() !== explained.sort().join()) {
      told(`judged ${serving.join()} to serve ${route} ${subset}, explain says ${explained.join()}`);
    }
  } finally {
    connection.close();
  }
}

function canTake(heldOut: string | undefined): boolean {
  return heldOut === undefined || heldOut.startsWith('left to other clients');
}

function planOf({ service, chain, document }: World): Plan {
  if (chain !== undefined) return compileChain(chain, { service, sourceAddress: '127.0.0.1' });
  if (document === undefined) return emptyPlan(service);
  return compilePolicy({ content: document, format: 'object' }, { service, origin: 'kv' });
}

interface Listing {
  readonly instances: readonly {
    readonly datacenter: string;
    readonly subsets: readonly string[];
    readonly heldOut: Readonly<Record<string, string>>;
    readonly instance: string;
  }[];
}

/** What a command prints under `--json`. */
async function jsonOf(command: (io: CommandIo) => Promise<void>): Promise<unknown> {
  let printed: unknown;
  await command({
    ...commandIo(),
    json: (value) => {
      printed = JSON.parse(JSON.stringify(value));
    },
  });
  return printed;
}

function commandIo(): CommandIo {
  return {
    env: {},
    isTerminal: false,
    columns: 80,
    rows: 24,
    colors: picocolors.createColors(false),
    exitCode: 0,
    line: () => {},
    write: () => {},
    json: () => {},
    table: async () => {},
    note: () => {},
    ask: async () => undefined,
    onKey: () => () => {},
    interrupted: new AbortController().signal,
  };
}
