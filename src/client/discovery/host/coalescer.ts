import type { Clock, Timer } from '../../../base/clock';
import { ofKey } from '../../../base/of-key';
import type { ConsulClient } from '../../../consul/client';
import type { ConsulAnswer } from '../../../consul/request';
import { type HostAnswer, type HostAsk, LOST, questionOf, toRequest } from './protocol';

interface Flight {
  readonly index: bigint | undefined;
  readonly abort: AbortController;
  readonly waiters: Set<(answer: HostAnswer) => void>;
  /** Until it starts. */
  timer: Timer | undefined;
  startsAtMs: number;
}

/** What several may ask: the requests that are open for it, by the index that they wait beyond. */
interface Question {
  readonly flights: Map<string, Flight>;
  /** For a reader that was still at work on the answer before when it came. */
  latest: { readonly index: bigint; readonly answer: Answer } | undefined;
  quietSinceMs: number;
}
type Answer = ConsulAnswer & { readonly kind: 'answer' };

/**
 * Plain reads under way in one datacenter: they end soon, and a datacenter that hangs must not stop those of others.
 */
const PLAIN_AT_ONCE = 4;
const LATEST_LIMIT_BYTES = 32 * 1024 * 1024;
const SWEEP_MS = 5_000;
const CLOSED: ConsulAnswer = { kind: 'failure', status: undefined, reason: 'closed' };

/**
 * Asks Consul once where several processes of a host ask the same. It holds no watch of its own: a request to Consul is
 * open for as long as a reader waits for it, and everything that a reader makes of an answer is its own affair.
 */
export class Coalescer {
  readonly #client: Pick<ConsulClient, 'get'>;
  readonly #clock: Clock;
  readonly #questions = new Map<string, Question>();
  readonly #plain = new Map<string, { open: number; readonly queue: (() => void)[] }>();
  readonly #sweep: Timer;
  #latestBytes = 0;
  #waiting = 0;
  #isClosed = false;

  constructor(client: Pick<ConsulClient, 'get'>, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.#sweep = clock.setRepeating(SWEEP_MS, () => this.#forgetQuiet());
  }

  /** Readers that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Never rejects. Aborting ends the request to Consul when no other reader waits for it. */
  async get(ask: HostAsk, signal: AbortSignal | undefined): Promise<HostAnswer> {
    const wanted = parseIndex(ask.index);
    for (;;) {
      if (this.#isClosed) return LOST;
      if (signal?.aborted === true) return CLOSED;
      const question = this.#question(questionOf(ask));
      const found = wanted === undefined ? undefined : currentAnswer(question, wanted);
      if (found !== undefined) return found;
      const flight = this.#board(question, ask, wanted);
      const answer = await this.#join(question, flight, signal);
      // It had set out before this reader knew what it knows, and ended without news for it.
      const isBehind =
        wanted !== undefined &&
        flight.index !== wanted &&
        answer !== LOST &&
        answer.kind === 'answer' &&
        answer.index === flight.index;
      if (!isBehind) return answer;
    }
  }

  /** Every waiting reader gets LOST. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sweep.cancel();
    for (const question of this.#questions.values()) {
      for (const flight of question.flights.values()) {
        flight.timer?.cancel();
        flight.abort.abort();
        for (const waiter of [...flight.waiters]) waiter(LOST);
      }
    }
    this.#questions.clear();
    this.#plain.clear();
  }

  #question(key: string): Question {
    const empty = { flights: new Map(), latest: undefined, quietSinceMs: this.#clock.now() };
    return ofKey(this.#questions, key, (): Question => empty);
  }

  /** The open request that answers this reader too, or a new one. */
  #board(question: Question, ask: HostAsk, wanted: bigint | undefined): Flight {
    const key = String(wanted);
    let flight = question.flights.get(key);
    // What has been waiting since before would also be woken by what this reader waits for.
    if (flight === undefined && wanted !== undefined) {
      for (const other of question.flights.values())
        if (other.index !== undefined && other.index < wanted) flight = other;
    }
    const startsAtMs = this.#clock.now() + ask.afterMs;
    if (flight !== undefined) {
      if (flight.timer !== undefined && startsAtMs < flight.startsAtMs)
        this.#schedule(question, flight, ask, startsAtMs);
      return flight;
    }
    flight = { index: wanted, abort: new AbortController(), waiters: new Set(), timer: undefined, startsAtMs };
    question.flights.set(key, flight);
    this.#schedule(question, flight, ask, startsAtMs);
    return flight;
  }

  #schedule(question: Question, flight: Flight, ask: HostAsk, startsAtMs: number): void {
    flight.timer?.cancel();
    flight.timer = undefined;
    flight.startsAtMs = startsAtMs;
    const delayMs = startsAtMs - this.#clock.now();
    const start = (): void => {
      flight.timer = undefined;
      void this.#fly(question, flight, ask);
    };
    if (delayMs <= 0) start();
    else flight.timer = this.#clock.setTimer(delayMs, start);
  }

  async #fly(question: Question, flight: Flight, ask: HostAsk): Promise<void> {
    // The index is the flight's: the reader that moved its start forward may know another one.
    const { index: _, ...rest } = ask;
    const own: HostAsk = { ...rest, index: flight.index === undefined ? undefined : String(flight.index) };
    const read = () => this.#client.get(toRequest(own, flight.abort.signal));
    const answer = await (flight.index === undefined ? this.#inTurn(ask, read) : read());
    if (this.#isClosed || flight.abort.signal.aborted) return;
    question.flights.delete(String(flight.index));
    question.quietSinceMs = this.#clock.now();
    if (flight.index !== undefined && answer.kind === 'answer' && !ask.isShort) this.#keep(question, answer);
    for (const waiter of [...flight.waiters]) waiter(answer);
  }

  async #inTurn(ask: HostAsk, read: () => Promise<ConsulAnswer>): Promise<ConsulAnswer> {
    const datacenter = String(ask.query['dc'] ?? '');
    const slots = this.#plain.get(datacenter) ?? { open: 0, queue: [] };
    this.#plain.set(datacenter, slots);
    if (slots.open >= PLAIN_AT_ONCE) await new Promise<void>((resolve) => slots.queue.push(resolve));
    slots.open += 1;
    try {
      return await read();
    } finally {
      slots.open -= 1;
      slots.queue.shift()?.();
      if (slots.open === 0 && slots.queue.length === 0) this.#plain.delete(datacenter);
    }
  }

  #join(question: Question, flight: Flight, signal: AbortSignal | undefined): Promise<HostAnswer> {
    return new Promise((resolve) => {
      const settle = (answer: HostAnswer): void => {
        if (!flight.waiters.delete(settle)) return;
        this.#waiting -= 1;
        signal?.removeEventListener('abort', onAbort);
        resolve(answer);
      };
      const onAbort = (): void => {
        settle(CLOSED);
        if (flight.waiters.size > 0 || question.flights.get(String(flight.index)) !== flight) return;
        question.flights.delete(String(flight.index));
        flight.timer?.cancel();
        flight.abort.abort();
      };
      flight.waiters.add(settle);
      this.#waiting += 1;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #keep(question: Question, answer: Answer): void {
    this.#drop(question);
    if (answer.index === undefined || this.#latestBytes + answer.body.length > LATEST_LIMIT_BYTES) return;
    question.latest = { index: answer.index, answer };
    this.#latestBytes += answer.body.length;
  }

  #drop(question: Question): void {
    this.#latestBytes -= question.latest?.answer.body.length ?? 0;
    question.latest = undefined;
  }

  #forgetQuiet(): void {
    const beforeMs = this.#clock.now() - SWEEP_MS;
    for (const [key, question] of this.#questions) {
      if (question.flights.size > 0 || question.quietSinceMs > beforeMs) continue;
      this.#drop(question);
      this.#questions.delete(key);
    }
  }
}

/** The last answer, where a request waits at Consul for what comes after it and this reader has not seen it yet. */
function currentAnswer({ flights, latest }: Question, wanted: bigint): Answer | undefined {
  if (latest === undefined || latest.index <= wanted) return undefined;
  return flights.has(String(latest.index)) ? latest.answer : undefined;
}

function parseIndex(text: string | undefined): bigint | undefined {
  return text !== undefined && /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
}
