import { type Random, seededRandom } from '../../src/base/random';
import { AttemptLink } from '../../src/client/balancer/attempts/attempt-link';
import type { Connection } from '../../src/client/balancer/endpoints/endpoint';
import { EndpointLoad } from '../../src/client/balancer/endpoints/load';
import { chooseSubset } from '../../src/client/balancer/endpoints/subsetting';
import { createPoolPicker } from '../../src/client/balancer/pickers/create-pool-picker';
import type { PickContext, PoolPicker } from '../../src/client/balancer/pickers/pool-picker';
import { FailureShares } from '../../src/client/breaker/outlier/failure-shares';
import type { Algorithm } from '../../src/policy/document';
import { EventHeap } from './event-heap';

export interface FleetOptions {
  readonly clients: number;
  readonly instances: number;
  /** Endpoints that each client uses; undefined: all. */
  readonly subsetSize: number | undefined;
  /** `orders-17`, as orchestrators number them, or names without an order. */
  readonly clientIds: 'numbered' | 'random';
  readonly algorithm: Algorithm;
  /** Of all clients together. */
  readonly callsPerSecond: number;
  readonly seconds: number;
  /** One instance answers so many times slower; 1: none. */
  readonly slowFactor: number;
  readonly seed: number;
}

export interface FleetResult {
  /** Calls of the busiest instance by those of the average one, over the second half of the time. */
  readonly maxToMean: number;
  readonly connectionsPerInstance: { readonly mean: number; readonly max: number };
  /** Calls of the slow instance by its fair share. */
  readonly slowShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Calls that one instance works on at once; the rest waits its turn. */
const WORKERS = 8;
const SERVICE_MS = 10;
const SWEEP_MS = 100;

interface Client {
  readonly picker: PoolPicker;
  readonly connections: readonly Connection[];
}

interface Instance {
  readonly freeAtMs: Float64Array;
  readonly serviceMs: number;
}

interface Running {
  readonly client: Client;
  readonly connection: Connection;
  readonly attempt: AttemptLink;
  readonly latencyMs: number;
}

/** Many clients, each with pickers and loads of its own as in the library, calling many instances, in simulated time. */
export function simulateFleet(options: FleetOptions): FleetResult {
  const random = seededRandom(options.seed);
  const clients = Array.from({ length: options.clients }, (_, index) => openClient(index, options, random));
  const instances = Array.from({ length: options.instances }, (_, index) => ({
    freeAtMs: new Float64Array(WORKERS),
    serviceMs: SERVICE_MS * (index === 0 ? options.slowFactor : 1),
  }));
  const calls = new Float64Array(options.instances);
  const latencies: number[] = [];
  const running = new EventHeap<Running>();
  const context: PickContext & { hash: number } = { random, hash: -1, tried: undefined };
  const endMs = options.seconds * 1_000;
  const measuredFromMs = endMs / 2;
  let sweepAtMs = SWEEP_MS;
  for (let nowMs = 0; nowMs < endMs; nowMs += exponential(random, 1_000 / options.callsPerSecond)) {
    for (let due = running.dueBefore(Math.min(nowMs, sweepAtMs)); due !== undefined || nowMs > sweepAtMs; ) {
      if (due === undefined) {
        sweep(clients, sweepAtMs);
        sweepAtMs += SWEEP_MS;
      } else settle(due.value, due.atMs);
      due = running.dueBefore(Math.min(nowMs, sweepAtMs));
    }
    const client = clients[Math.floor(random() * clients.length)] as Client;
    context.hash = Math.floor(random() * 2 ** 32) >>> 0;
    const connection = client.picker.pick(context);
    if (connection === undefined) throw new Error('nobody was picked');
    const index = Number(connection.endpoint.instance.id);
    const finishedAtMs = serve(instances[index] as Instance, nowMs, random);
    const attempt = new AttemptLink();
    connection.endpoint.load.picked(false);
    connection.endpoint.load.attemptStarted(attempt, nowMs);
    running.push(finishedAtMs, { client, connection, attempt, latencyMs: finishedAtMs - nowMs });
    if (nowMs < measuredFromMs) continue;
    calls[index] = (calls[index] ?? 0) + 1;
    latencies.push(finishedAtMs - nowMs);
  }
  return summarize(options, clients, calls, latencies);
}

function settle({ connection, attempt }: Running, atMs: number): void {
  connection.endpoint.load.attemptResponded(attempt);
  connection.endpoint.load.attemptEnded(attempt, atMs, 'success');
}

/** Every endpoint is looked at in a real client only while something is in flight: so here. */
function sweep(clients: readonly Client[], atMs: number): void {
  for (const { connections } of clients) {
    for (const { endpoint } of connections)
      if (endpoint.load.inFlight > 0 || endpoint.load.measure > 0) endpoint.load.sweep(atMs);
  }
}

/** When a call that arrives now is answered: the first free worker takes it. */
function serve(instance: Instance, nowMs: number, random: Random): number {
  let earliest = 0;
  for (let worker = 1; worker < WORKERS; worker += 1) {
    if ((instance.freeAtMs[worker] as number) < (instance.freeAtMs[earliest] as number)) earliest = worker;
  }
  const finishedAtMs = Math.max(nowMs, instance.freeAtMs[earliest] as number) + exponential(random, instance.serviceMs);
  instance.freeAtMs[earliest] = finishedAtMs;
  return finishedAtMs;
}

function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean;
}

function openClient(index: number, options: FleetOptions, random: Random): Client {
  const all = Array.from({ length: options.instances }, (_, instance) => instance);
  const used =
    options.subsetSize === undefined
      ? all
      : chooseSubset(
          all,
          (instance) => `dc1/node-${instance}/payments`,
          options.subsetSize,
          idOf(index, options, random),
        );
  const connections = used.map(connectionTo);
  const balancing = {
    algorithm: options.algorithm,
    slowStartMs: 0,
    hashBy: options.algorithm === 'ring_hash' ? 'x-user-id' : undefined,
    subsetSize: undefined,
    drainMs: undefined,
    connectionsPerEndpoint: 2,
  };
  return { picker: createPoolPicker(connections, balancing, random), connections };
}

function idOf(index: number, { clientIds }: FleetOptions, random: Random): string {
  return clientIds === 'numbered' ? `client-${index}` : `client-${Math.floor(random() * 2 ** 48).toString(36)}x`;
}

export function connectionTo(index: number): Connection {
  const address = `10.${(index >>> 16) & 255}.${(index >>> 8) & 255}.${index & 255}`;
  const key = `dc1/${address}:9000`;
  const instance = {
    key,
    id: String(index),
    node: `node-${index}`,
    datacenter: 'dc1',
    zone: undefined,
    address,
    port: 9000,
    tags: [],
    meta: {},
    status: 'passing',
    weight: 1,
  } as const;
  const load = new EndpointLoad();
  const shares = new FailureShares();
  const answeredAtMs = Number.NEGATIVE_INFINITY;
  const endpoint = { key, address, port: 9000, datacenter: 'dc1', instance, weight: 1, load, shares };
  return { endpoint: { ...endpoint, breaker: undefined, answeredAtMs } };
}

function summarize(
  options: FleetOptions,
  clients: readonly Client[],
  calls: Float64Array,
  latencies: readonly number[],
): FleetResult {
  const connections = new Float64Array(options.instances);
  for (const client of clients) {
    for (const { endpoint } of client.connections) {
      const index = Number(endpoint.instance.id);
      connections[index] = (connections[index] ?? 0) + 1;
    }
  }
  const total = calls.reduce((sum, each) => sum + each, 0);
  const mean = total / options.instances;
  // The slow one is judged apart.
  const others = options.slowFactor === 1 ? calls : calls.slice(1);
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? Number.NaN;
  return {
    maxToMean: others.reduce((most, each) => Math.max(most, each), 0) / mean,
    connectionsPerInstance: {
      mean: connections.reduce((sum, each) => sum + each, 0) / options.instances,
      max: connections.reduce((most, each) => Math.max(most, each), 0),
    },
    slowShare: (calls[0] ?? 0) / mean,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}
