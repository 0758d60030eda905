import { type Random, seededRandom } from '../../src/base/random';
import { AttemptLink } from '../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../src/client/balancer/attempts/methods';
import type { Connection } from '../../src/client/balancer/endpoints/endpoint';
import { balanceShares, Share } from '../../src/client/balancer/endpoints/share';
import { createPoolPicker } from '../../src/client/balancer/pickers/create-pool-picker';
import type { PickContext, PoolPicker } from '../../src/client/balancer/pickers/pool-picker';
import { RetryBudget } from '../../src/client/breaker/retry-budget';
import type { Algorithm } from '../../src/policy/document';
import { EventHeap } from './event-heap';
import { connectionTo } from './simulation';

export interface SheddingOptions {
  readonly clients: number;
  readonly instances: number;
  readonly algorithm: Algorithm;
  /** Shares follow what is turned away. */
  readonly hasShares: boolean;
  /** What is turned away is tried once more: never, within the budget, or only while others have room. */
  readonly retry: 'never' | 'budget' | 'room';
  readonly seconds: number;
  readonly serviceMs: number;
  /** Calls a second of all clients together. */
  readonly rate: (nowMs: number) => number;
  /** Attempts that an instance works on at once; it turns the rest away. */
  readonly limit: (instance: number, nowMs: number) => number;
  readonly seed: number;
}

/** One second. */
export interface SheddingSecond {
  readonly calls: number;
  readonly lost: number;
  readonly attempts: number;
  /** Of all attempts, those at the first instance. */
  readonly first: number;
  /** Share of the first instance as the first client has it. */
  readonly share: number;
}

interface Client {
  picker: PoolPicker;
  readonly connections: readonly Connection[];
  readonly shares: readonly Share[];
  readonly budget: RetryBudget;
  readonly time: MethodTime;
}

interface Running {
  readonly client: Client;
  readonly connection: Connection;
  readonly attempt: AttemptLink;
  readonly instance: number;
  readonly call: { tries: number; startedAtMs: number };
  /** Undefined: it is turned away. */
  readonly isAccepted: boolean;
}

const TICK_MS = 100;
const REJECT_MS = 1;
const BACKOFF_MS = 20;

/** Clients with pickers, loads and shares as in the library, and servers that turn calls away, in simulated time. */
export function simulateShedding(options: SheddingOptions): SheddingSecond[] {
  const random = seededRandom(options.seed);
  const clients = Array.from({ length: options.clients }, () => openClient(options, random));
  const busy = new Int32Array(options.instances);
  const running = new EventHeap<Running | { readonly client: Client; readonly again: Running }>();
  const seconds = Array.from({ length: options.seconds }, () => ({
    calls: 0,
    lost: 0,
    attempts: 0,
    first: 0,
    share: 1,
  }));
  const at = (nowMs: number) => seconds[Math.min(seconds.length - 1, Math.floor(nowMs / 1_000))] as (typeof seconds)[0];
  const endMs = options.seconds * 1_000;
  let tickAtMs = TICK_MS;

  const attempt = (
    client: Client,
    call: Running['call'],
    tried: Connection['endpoint'][] | undefined,
    nowMs: number,
  ): void => {
    const context: PickContext = { random, hash: -1, tried };
    const connection = client.picker.pick(context) ?? (client.connections[0] as Connection);
    const instance = Number(connection.endpoint.instance.id);
    const link = new AttemptLink(client.time);
    connection.endpoint.load.picked(false);
    connection.endpoint.load.attemptStarted(link, nowMs);
    const isAccepted = (busy[instance] as number) < options.limit(instance, nowMs);
    if (isAccepted) busy[instance] = (busy[instance] as number) + 1;
    call.tries += 1;
    const second = at(call.startedAtMs);
    second.attempts += 1;
    if (instance === 0) second.first += 1;
    const tookMs = isAccepted ? -Math.log(1 - random()) * options.serviceMs : REJECT_MS;
    running.push(nowMs + tookMs, { client, connection, attempt: link, instance, call, isAccepted });
  };
  const settle = (ended: Running, nowMs: number): void => {
    const { client, connection, call, instance } = ended;
    const share = client.shares[instance] as Share;
    connection.endpoint.load.attemptResponded(ended.attempt);
    if (call.tries === 1) client.budget.callEnded(nowMs);
    if (ended.isAccepted) {
      busy[instance] = (busy[instance] as number) - 1;
      client.time.answered(nowMs - ended.attempt.startedAtMs, nowMs);
      connection.endpoint.load.attemptEnded(ended.attempt, nowMs, 'success');
      share.accepted += 1;
      return;
    }
    connection.endpoint.load.attemptEnded(ended.attempt, nowMs, 'answered');
    share.turnedAway(0, nowMs);
    if (call.tries === 1 && mayRetry(options, client, share) && client.budget.tryRetry(nowMs)) {
      running.push(nowMs + BACKOFF_MS * (0.8 + 0.4 * random()), { client, again: ended });
    } else at(call.startedAtMs).lost += 1;
  };
  const advance = (limitMs: number): void => {
    for (;;) {
      const due = running.dueBefore(Math.min(limitMs, tickAtMs));
      if (due !== undefined) {
        if ('again' in due.value)
          attempt(due.value.client, due.value.again.call, [due.value.again.connection.endpoint], due.atMs);
        else settle(due.value, due.atMs);
      } else if (limitMs > tickAtMs) {
        for (const client of clients) tick(client, options, tickAtMs, random);
        at(tickAtMs - 1).share = (clients[0] as Client).shares[0]?.factor ?? 1;
        tickAtMs += TICK_MS;
      } else return;
    }
  };
  for (let nowMs = 0; nowMs < endMs; nowMs += (-Math.log(1 - random()) * 1_000) / options.rate(nowMs)) {
    advance(nowMs);
    const client = clients[Math.floor(random() * clients.length)] as Client;
    client.budget.callStarted(nowMs);
    at(nowMs).calls += 1;
    attempt(client, { tries: 0, startedAtMs: nowMs }, undefined, nowMs);
  }
  return seconds;
}

/** Others that turn away more than this have no room for what this one turned away. */
const ROOM = 0.25;

function mayRetry({ retry }: SheddingOptions, client: Client, own: Share): boolean {
  if (retry !== 'room') return retry === 'budget';
  let shed = 0;
  let all = 0;
  for (const share of client.shares) {
    if (share === own) continue;
    shed += share.shed + share.lastShed;
    all += share.shed + share.lastShed + share.accepted + share.lastAccepted;
  }
  return all === 0 || shed / all < ROOM;
}

function tick(client: Client, options: SheddingOptions, nowMs: number, random: Random): void {
  for (const { endpoint } of client.connections) endpoint.load.sweep(nowMs);
  if (!options.hasShares || !balanceShares(client.shares, nowMs)) return;
  client.shares.forEach((share, index) => {
    (client.connections[index] as { endpoint: { weight: number } }).endpoint.weight = share.factor;
  });
  client.picker = pickerOf(client.connections, options, random);
}

function pickerOf(connections: readonly Connection[], { algorithm }: SheddingOptions, random: Random): PoolPicker {
  const balancing = {
    algorithm,
    slowStartMs: 0,
    hashBy: undefined,
    subsetSize: undefined,
    drainMs: undefined,
    connectionsPerEndpoint: 2,
  };
  return createPoolPicker(connections, balancing, random);
}

function openClient(options: SheddingOptions, random: Random): Client {
  const connections = Array.from({ length: options.instances }, (_, index) => connectionTo(index));
  return {
    connections,
    picker: pickerOf(connections, options, random),
    shares: connections.map(() => new Share()),
    budget: new RetryBudget({ percent: 20, minPerSecond: 10 }),
    time: new MethodTime(),
  };
}
