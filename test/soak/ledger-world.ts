import { type LedgerInstances, startLedgerInstances } from '../field/ledger-instances';
import type { ConsulDatacenter } from '../support/consul/start';
import { type NetworkFault, type NetworkTools, networkTools, type Plot, plotOf } from './network';
import { persist } from './persist';

/** What an answer takes, unless its call says otherwise. */
const WORK_MS = 15;
/** Instances in namespaces of their own come first, where namespaces are to be had. */
const DISTANT = 2;
const TAGS = ['stable', 'stable', 'stable', 'stable', 'canary', 'stable'] as const;
/** Serves a lane and nothing else, while it is registered with the lane. */
export const IN_LANE = TAGS.length - 1;
export const LANE = 'blue';

/** A service whose instances are deployed, killed and cut off, and write down what they do. Listed in dc1. */
export interface LedgerWorld {
  readonly tools: NetworkTools;
  readonly instances: LedgerInstances;
  /** Of those that share no fate with the network of others. */
  readonly near: readonly number[];
  /** One of the distant ones, for as long as `during` takes. */
  cutOff(index: number, fault: NetworkFault, during: () => Promise<void>): Promise<void>;
  register(index: number, lane?: string): Promise<void>;
  deregister(index: number): Promise<void>;
  putPolicy(canaryWeight: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startLedgerWorld(dc1: ConsulDatacenter): Promise<LedgerWorld> {
  const tools = await networkTools();
  const plots: Plot[] = [];
  const count = tools.faults.length === 0 ? 0 : DISTANT;
  for (let number = 0; number < count; number += 1) plots.push(await plotOf(number));
  const instances = await startLedgerInstances(TAGS.length, { workMs: WORK_MS }, plots);
  const node = (index: number): string => `of-ledger-${index}`;
  const world: LedgerWorld = {
    tools,
    instances,
    near: TAGS.flatMap((_, index) => (index < count ? [] : [index])),
    async cutOff(index, fault, during) {
      const plot = plots[index % plots.length] as Plot;
      await plot.break(fault);
      try {
        await during();
      } finally {
        await plot.heal();
      }
    },
    async register(index, lane) {
      const name = `ledger-${index}`;
      const address = plots[index]?.address ?? '127.0.0.1';
      await persist(() =>
        dc1.request('PUT', '/v1/catalog/register', {
          Node: node(index),
          Address: address,
          Service: {
            ID: name,
            Service: 'ledger',
            Address: address,
            Port: instances.ports[index],
            Tags: [TAGS[index]],
            Meta: lane === undefined ? {} : { lane },
          },
          Check: { CheckID: `service:${name}`, ServiceID: name, Status: 'passing' },
        }),
      );
    },
    deregister: (index) => persist(() => dc1.request('PUT', '/v1/catalog/deregister', { Node: node(index) })),
    async putPolicy(canaryWeight) {
      const document = {
        schema: 1,
        service: 'ledger',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
        default: 'stable',
        lanes: { by: 'x-lane' },
        // Holds for what may run again by its definition: RecordAgain and Read.
        attemptTimeoutMs: 1_000,
        routes: [
          {
            name: 'all',
            split: [
              { to: 'stable', weight: 100 - canaryWeight },
              { to: 'canary', weight: canaryWeight },
            ],
          },
        ],
      };
      await persist(() => dc1.putKv('graylane/policies/ledger', JSON.stringify(document)));
    },
    async stop() {
      await instances.stop();
      await Promise.all(plots.map((plot) => plot.remove()));
    },
  };
  for (const index of TAGS.keys()) await world.register(index, index === IN_LANE ? LANE : undefined);
  await world.putPolicy(20);
  return world;
}
