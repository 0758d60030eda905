import { type experimental, Metadata } from '@grpc/grpc-js';
import { systemClock } from '../src/base/clock';
import { systemRandom } from '../src/base/random';
import { AttemptLink } from '../src/client/balancer/attempts/attempt-link';
import type { ChannelConnection } from '../src/client/balancer/endpoints/connection';
import type { Connection } from '../src/client/balancer/endpoints/endpoint';
import { EndpointLoad } from '../src/client/balancer/endpoints/load';
import { createPoolPicker } from '../src/client/balancer/pickers/create-pool-picker';
import type { PickContext, PoolPicker } from '../src/client/balancer/pickers/pool-picker';
import { Pool } from '../src/client/balancer/tiers/pool';
import { Spill } from '../src/client/balancer/tiers/spill';
import { ZonePreference } from '../src/client/balancer/zones/zone-preference';
import { FailureShares } from '../src/client/breaker/outlier/failure-shares';
import { BreakerRegistry } from '../src/client/breaker/registry';
import { DEFAULT_BALANCING, resolveBreaker } from '../src/policy/defaults';
import type { Algorithm } from '../src/policy/document';
import { grpcPicker } from './grpc-pickers';
import type { BenchmarkCase } from './harness';

type Weights = 'equal' | 'unequal';

const OURS: readonly (readonly [Algorithm, Weights])[] = [
  ['peak_ewma', 'equal'],
  ['peak_ewma', 'unequal'],
  ['least_request', 'equal'],
  ['least_request', 'unequal'],
  ['round_robin', 'equal'],
  ['round_robin', 'unequal'],
  ['random', 'equal'],
  ['random', 'unequal'],
  ['ring_hash', 'equal'],
];

/** The group that one pick of so many is in. */
export function pickGroup(size: number): string {
  return `one pick of ${size.toLocaleString('en')} endpoints`;
}

/** One pick, by each algorithm, beside the pickers of grpc-js itself; the first of them is what ratios refer to. */
export function pickCases(sizes: readonly number[]): BenchmarkCase[] {
  return sizes.flatMap((size) => {
    const group = pickGroup(size);
    const connections = { equal: connectionsOf(size, 'equal'), unequal: connectionsOf(size, 'unequal') };
    return [
      { group, name: 'grpc-js round_robin', run: grpcRunner(grpcPicker('round_robin', size)) },
      { group, name: 'grpc-js weighted_round_robin', run: grpcRunner(grpcPicker('weighted_round_robin', size)) },
      ...OURS.map(([algorithm, weights]) => ({
        group,
        name: `${algorithm}${weights === 'unequal' ? ', unequal weights' : ''}`,
        run: ourRunner(pickerOf(algorithm, connections[weights]), algorithm === 'ring_hash'),
      })),
      { group, name: 'peak_ewma, three zones', run: ourRunner(zonedPicker(connections.equal), false) },
    ];
  });
}

/** What a pool of a real channel makes of these connections: those whose breaker is open are left out. */
function pickerOf(algorithm: Algorithm, members: readonly ChannelConnection[]): PoolPicker {
  const hashBy = algorithm === 'ring_hash' ? 'x-user' : undefined;
  const parts = {
    subset: 'stable',
    datacenter: 'dc1',
    kind: 'listed' as const,
    members,
    missing: 0,
    absent: 0,
    balancing: {
      algorithm,
      slowStartMs: 0,
      hashBy,
      subsetSize: undefined,
      drainMs: undefined,
      connectionsPerEndpoint: 2,
    },
    breakerPlan: BREAKER,
    subsetBreaker: undefined,
    spill: new Spill(),
  };
  const { picker } = new Pool(parts, systemRandom, systemClock.now());
  if (picker === undefined) throw new Error('nobody in the pool can be picked');
  return picker;
}

/** Half of the endpoints in the client's zone, the rest in two others: two of three calls stay. */
function zonedPicker(members: readonly ChannelConnection[]): PoolPicker {
  const zones = new ZonePreference(() => 'a', { a: 3, b: 1, c: 0 });
  const zoned = members.map(({ endpoint }, index) => {
    const instance = { ...endpoint.instance, zone: index % 2 === 0 ? 'a' : index % 4 === 1 ? 'b' : 'c' };
    return { endpoint: { ...endpoint, instance }, failure: undefined };
  });
  zones.list({ usable: zoned.map(({ endpoint }) => endpoint.instance), unusable: [], lost: [], joined: [] });
  zones.update(zoned, zoned, () => false, systemClock.now());
  const balancing = { ...DEFAULT_BALANCING, algorithm: 'peak_ewma' } as const;
  const create = (some: readonly Connection[]): PoolPicker => createPoolPicker(some, balancing, systemRandom);
  const picker = zones.pickerOf(zoned, create, systemRandom);
  if (picker === undefined) throw new Error('the endpoints are in one zone');
  return picker;
}

/** A pool by `peak_ewma`, as it is picked from in the other cases. */
export function peakEwmaPicker(size: number): PoolPicker {
  return pickerOf('peak_ewma', connectionsOf(size, 'equal'));
}

const BREAKER = resolveBreaker();
const breakers = new BreakerRegistry({ clock: systemClock, random: systemRandom });
let made = 0;

/** Each has a breaker, made after them all as in traffic, where the first failure makes it. One in twenty is open. */
function connectionsOf(size: number, weights: Weights): readonly ChannelConnection[] {
  const connections = Array.from({ length: size }, (_, index) => busyConnection(index, weights));
  for (const [index, { endpoint }] of connections.entries()) {
    made += 1;
    endpoint.breaker = breakers.failed(`${endpoint.key} ${made}`, BREAKER);
    if (index % 20 === 7) endpoint.breaker.open('for the benchmark');
  }
  return connections;
}

/** With a few attempts in flight and a latency of its own. */
function busyConnection(index: number, weights: Weights): ChannelConnection {
  const address = `10.${(index >>> 16) & 255}.${(index >>> 8) & 255}.${index & 255}`;
  const weight = weights === 'equal' ? 1 : 1 + (index % 10);
  const load = new EndpointLoad();
  const answered = new AttemptLink();
  load.attemptStarted(answered, 0);
  load.attemptEnded(answered, 5 + (index % 7), 'success');
  for (let attempt = index % 4; attempt > 0; attempt -= 1) load.attemptStarted(new AttemptLink(), 20);
  const instance = {
    key: `dc1/node/${index}`,
    id: `${index}`,
    node: 'node',
    datacenter: 'dc1',
    zone: undefined,
    address,
    port: 9000,
    tags: [],
    meta: {},
    status: 'passing',
    weight,
  } as const;
  const key = `dc1/${address}:9000`;
  const answeredAtMs = Number.NEGATIVE_INFINITY;
  const known = { key, address, port: 9000, datacenter: 'dc1', instance, weight, load, shares: new FailureShares() };
  const endpoint = { ...known, breaker: undefined, answeredAtMs };
  // What a pool asks of a connection.
  const connection: Connection & Partial<ChannelConnection> = { endpoint, isReady: true, failure: undefined };
  return connection as ChannelConnection;
}

/** Each case gets a loop of its own, as each process has one algorithm: a shared one would learn all of them. */
function loop<T extends unknown[]>(parameters: string, body: string): (...values: T) => (count: number) => unknown {
  return new Function(
    parameters,
    `return (count) => { let last; for (let i = 0; i < count; i += 1) ${body} return last; };`,
  ) as (...values: T) => (count: number) => unknown;
}

function ourRunner(picker: PoolPicker, hashed: boolean): (count: number) => unknown {
  const context: PickContext & { hash: number } = { random: systemRandom, hash: -1, tried: undefined };
  const next = hashed ? 'context.hash = Math.imul(i, 0x9e3779b1) >>> 0; ' : '';
  return loop<[PoolPicker, PickContext]>('picker, context', `{ ${next}last = picker.pick(context); }`)(picker, context);
}

function grpcRunner(picker: experimental.Picker): (count: number) => unknown {
  const args = { metadata: new Metadata(), extraPickInfo: {} };
  return loop<[experimental.Picker, typeof args]>('picker, args', '{ last = picker.pick(args); }')(picker, args);
}
