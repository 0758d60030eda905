import type { Random } from '../../../../src/base/random';
import { AttemptLink } from '../../../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../../../src/client/balancer/attempts/methods';
import type { Connection, Endpoint } from '../../../../src/client/balancer/endpoints/endpoint';
import { EndpointLoad } from '../../../../src/client/balancer/endpoints/load';
import { createPoolPicker } from '../../../../src/client/balancer/pickers/create-pool-picker';
import type { PickContext, PoolPicker } from '../../../../src/client/balancer/pickers/pool-picker';
import { FailureShares } from '../../../../src/client/breaker/outlier/failure-shares';
import type { Algorithm } from '../../../../src/policy/document';

/** Real endpoints and loads, addressed by their position; nothing is connected. */
export function connectionsOf(weights: readonly number[]): Connection[] {
  return weights.map((weight, index) => ({ endpoint: endpointAt(index, weight) }));
}

export function endpointAt(index: number, weight = 1): Endpoint {
  const address = `10.${(index >>> 16) & 255}.${(index >>> 8) & 255}.${index & 255}`;
  const instance = {
    key: `dc1/node-${index}/service-${index}`,
    id: `service-${index}`,
    node: `node-${index}`,
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
  return {
    key,
    address,
    port: 9000,
    datacenter: 'dc1',
    instance,
    weight,
    load: new EndpointLoad(),
    shares: new FailureShares(),
    breaker: undefined,
    answeredAtMs: Number.NEGATIVE_INFINITY,
  };
}

export const ALGORITHMS: readonly Algorithm[] = ['peak_ewma', 'least_request', 'round_robin', 'random', 'ring_hash'];

export function pickerFor(algorithm: Algorithm, ready: readonly Connection[], random: Random): PoolPicker {
  const hashBy = algorithm === 'ring_hash' ? 'x-user' : undefined;
  return createPoolPicker(
    ready,
    { algorithm, slowStartMs: 0, hashBy, subsetSize: undefined, drainMs: undefined, connectionsPerEndpoint: 2 },
    random,
  );
}

export function firstTry(random: Random, hash = -1): PickContext {
  return { random, hash, tried: undefined };
}

/** Calls of each connection, in the order of `ready`, over `count` calls, each ended before the next. */
export function countPicks(
  picker: PoolPicker,
  ready: readonly Connection[],
  context: PickContext,
  count: number,
): number[] {
  return countOf(ready, picks(picker, context, count));
}

/** Picks of calls one after another, each ended before the next. */
export function picks(picker: PoolPicker, context: PickContext, count: number): (Connection | undefined)[] {
  return Array.from({ length: count }, () => {
    const picked = picker.pick(context);
    if (picked !== undefined) passCall(picked.endpoint, context.lasts);
    return picked;
  });
}

/** An attempt of a method that takes 1 ms, none of whose answers was ever late. */
export function steadyAttempt(): AttemptLink {
  const time = new MethodTime(1);
  for (let answer = 0; answer < 500; answer += 1) time.lateness.count(false);
  return new AttemptLink(time);
}

/** A call that ends as soon as it has begun, and teaches nothing. */
export function passCall({ load }: Endpoint, lasts = false): void {
  const attempt = new AttemptLink(undefined, lasts ? 'long' : 'call');
  load.picked(lasts);
  load.attemptStarted(attempt, 0);
  load.attemptEnded(attempt, 0, 'neutral');
}

/** Picks of calls none of which has started when the last is picked for. */
export function burst(picker: PoolPicker, context: PickContext, count: number): (Connection | undefined)[] {
  return Array.from({ length: count }, () => {
    const picked = picker.pick(context);
    picked?.endpoint.load.picked(context.lasts === true);
    return picked;
  });
}

/** How often each connection was picked, in the order of `ready`. */
export function countOf(ready: readonly Connection[], picked: readonly (Connection | undefined)[]): number[] {
  const counts = new Map<Connection | undefined, number>();
  for (const one of picked) counts.set(one, (counts.get(one) ?? 0) + 1);
  return ready.map((connection) => counts.get(connection) ?? 0);
}

/** Leaves an attempt hanging on the endpoint until a sweep makes it suspect. */
export function makeSuspect(connection: Connection): AttemptLink {
  const hanging = new AttemptLink();
  const { load } = connection.endpoint;
  load.attemptStarted(hanging, 0);
  load.sweep(100);
  load.sweep(200);
  return hanging;
}
