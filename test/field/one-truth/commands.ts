import picocolors from 'picocolors';
import { connectConsul } from '../../../src/cli/consul/consul-connection';
import { readRegistryView } from '../../../src/cli/consul/registry-view';
import { explainCall } from '../../../src/cli/explain/explain-call';
import { listInstances } from '../../../src/cli/instances';
import type { CommandIo } from '../../../src/cli/io';
import type { Explanation } from '../../../src/index';
import { sideBySide } from '../../../src/ops/effect/outcomes';
import { compileChain } from '../../../src/policy/chain/compile';
import { compilePolicy, emptyPlan } from '../../../src/policy/compile';
import type { Plan } from '../../../src/policy/plan';
import { CALLER } from './places';
import { DATACENTERS, type World } from './worlds';

type Places = readonly (readonly [
  number: number,
  subset: string,
  datacenter: string,
  endpoints: readonly string[],
  keeps: number,
])[];

/** What does not depend on who asks: neither connections nor the client's own share. */
export function placesOf({ tiers }: Pick<Explanation, 'tiers'>): Places {
  return tiers.map(({ number, subset, datacenter, endpoints, keeps }) => [
    number,
    subset,
    datacenter,
    endpoints.map(({ instance, endpoint, heldOut }) => `${instance} ${endpoint} ${heldOut ?? 'takes calls'}`),
    keeps,
  ]);
}

/** What the commands say of a call, beside what the process itself says of it. */
export async function compareCommands(
  world: World,
  address: string,
  explanation: Explanation,
  call: World['calls'][number],
  told: (what: string) => void,
): Promise<void> {
  const { service, datacenters } = world;
  const flags = { consul: address, dc: datacenters.join(','), policy: world.source };
  const { force, method, labels, seed } = call;
  const listing = (await jsonOf((io) => listInstances(service, flags, io))) as Listing;
  const command = (await jsonOf((io) =>
    explainCall(service, { ...flags, caller: CALLER, method, label: labels, seed }, io),
  )) as Explanation & { canServe: boolean };
  const size = world.document?.balancing?.subsetSize;
  if (force === undefined && size === undefined) {
    const [one, other] = [JSON.stringify(placesOf(command)), JSON.stringify(placesOf(explanation))];
    if (one !== other) told(`graylane explain says ${one}, explain() ${other}`);
    if (command.routing.decision.subset !== explanation.routing.decision.subset)
      told('graylane explain decides otherwise');
  }
  for (const { kind, subset, datacenter, endpoints } of command.tiers) {
    // Of those that take calls where nobody else can the list says just that.
    if (kind !== 'listed') continue;
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
    const where = `${subset}, ${datacenter}`;
    if (ids(there) !== ids(endpoints))
      told(`in ${where} graylane instances lists ${ids(there)}, explain ${ids(endpoints)}`);
    if (ids(taking) !== ids(explained))
      told(`in ${where} graylane instances uses ${ids(taking)}, explain ${ids(explained)}`);
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

function planOf(world: World): Plan {
  const { service, chain, document } = world;
  if (chain !== undefined) return compileChain(chain, { service, sourceAddress: '127.0.0.1' });
  if (document === undefined) return emptyPlan(service);
  const other = service.replace(/^\w+-/, 'ord-');
  const policies = new Map([
    [
      other,
      world.other === undefined
        ? emptyPlan(other)
        : compilePolicy({ content: world.other, format: 'object' }, { service: other, origin: 'kv' }),
    ],
  ]);
  return compilePolicy({ content: document, format: 'object' }, { service, origin: 'kv', caller: CALLER, policies });
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
    asJson: true,
    env: {},
    isTerminal: false,
    canRedraw: false,
    columns: 80,
    rows: 24,
    colors: picocolors.createColors(false),
    exitCode: 0,
    line: () => {},
    write: () => {},
    json: () => {},
    jsonLine: () => {},
    table: async () => {},
    note: () => {},
    ask: async () => undefined,
    onKey: () => () => {},
    interrupted: new AbortController().signal,
  };
}
