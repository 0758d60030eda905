import type { Clock, Timer } from '../base/clock';
import type { Logger } from '../base/logger';
import type { Runtime } from '../base/runtime';
import type { AgentAddress } from './address';
import type { RawConsul } from './connection';
import type { AgentLoad, Asked, AskOptions, ConsulAnswer, ConsulRequest } from './request';

/** One agent that may be asked, in the order of the addresses. */
export interface PooledAgent {
  readonly address: AgentAddress;
  readonly consul: RawConsul;
  readonly requests: OpenRequests;
}

/** A blocking read that is out, which another agent could answer as well. */
interface MovableRead {
  readonly agent: PooledAgent;
  /** Ends it there; its reader asks another agent. */
  move(): void;
}

interface AgentPoolDeps extends Runtime {
  /** Whether the agent now answers what it did not answer before. Never rejects. */
  readonly probe: (agent: PooledAgent, request: ConsulRequest) => Promise<boolean>;
}

interface Illness {
  readonly sinceMs: number;
  lastMs: number;
  reason: string;
  /** What it did not answer last; asked again to find out whether it is cured. */
  request: ConsulRequest;
  /** Probes in a row that it answered. */
  answered: number;
}

interface State {
  requests: number;
  failures: number;
  illness: Illness | undefined;
  /** When it was returned to after an illness. */
  returnedAtMs: number;
  /** Probes in a row that it must answer: 2, and more for one that falls ill again and again. */
  needed: number;
}

/** Between probes of an agent that is ill, and after one that it answered. Up to a fifth more or less. */
const PROBE_MS = 10_000;
const CONFIRM_MS = 3_000;
const LEAST_NEEDED = 2;
const MOST_NEEDED = 32;
/** Ill again within this time of its return: it must answer twice as many probes the next time. */
const RELAPSE_MS = 60_000;
/** An agent behind the one that serves is not probed: after this time it counts as well. */
const FORGET_MS = 60_000;
/** Blocking reads are moved within this time, so that they do not come to the next agent all at once. */
const MOVE_WITHIN_MS = 5_000;

/**
 * Which of several agents is asked. The first well one serves; one that fails is left for the next, and returned to
 * when it has answered twice in a row what it did not answer. Times are monotonic milliseconds.
 */
export class AgentPool {
  readonly #agents: readonly PooledAgent[];
  readonly #deps: AgentPoolDeps;
  readonly #states: readonly State[];
  readonly #reads = new Set<MovableRead>();
  readonly #moves = new Set<Timer>();
  #serving = 0;
  #probing: Timer | undefined;
  #isClosed = false;

  constructor(agents: readonly PooledAgent[], deps: AgentPoolDeps) {
    this.#agents = agents;
    this.#deps = deps;
    this.#states = agents.map(() => ({
      requests: 0,
      failures: 0,
      illness: undefined,
      returnedAtMs: Number.NEGATIVE_INFINITY,
      needed: LEAST_NEEDED,
    }));
  }

  get serving(): PooledAgent {
    return this.#agents[this.#serving] as PooledAgent;
  }

  /** The one that serves, then the well ones, then those that are ill. */
  order(): readonly PooledAgent[] {
    const { length } = this.#agents;
    const others = Array.from({ length: length - 1 }, (_, step) => (this.#serving + 1 + step) % length);
    const ranked = [...others.filter((at) => !this.#isIll(at)), ...others.filter((at) => this.#isIll(at))];
    return [this.serving, ...ranked.map((at) => this.#agents[at] as PooledAgent)];
  }

  asked(agent: PooledAgent): void {
    this.#stateOf(agent).requests += 1;
  }

  /** It gave an answer that counts, be it a refusal. */
  answered(agent: PooledAgent): void {
    const at = this.#agents.indexOf(agent);
    // Whether one that stands before the one that serves is cured is for the probes to say.
    if (at >= this.#serving) this.#stateOf(agent).illness = undefined;
  }

  /** It failed. `isHanging`: it answers nothing at all, so that what waits for it had better be asked elsewhere. */
  failed(agent: PooledAgent, reason: string, request: ConsulRequest, isHanging: boolean): void {
    const { clock, logger } = this.#deps;
    const nowMs = clock.now();
    const state = this.#stateOf(agent);
    state.failures += 1;
    const isNew = state.illness === undefined;
    state.illness ??= { sinceMs: nowMs, lastMs: nowMs, reason, request, answered: 0 };
    Object.assign(state.illness, { lastMs: nowMs, reason, request, answered: 0 });
    if (this.#agents.length === 1) return;
    if (isNew && nowMs - state.returnedAtMs < RELAPSE_MS) state.needed = Math.min(2 * state.needed, MOST_NEEDED);
    else if (isNew) state.needed = LEAST_NEEDED;
    if (agent === this.serving) this.#serving = this.#agents.indexOf(this.order()[1] as PooledAgent);
    if (isNew) {
      const next = this.serving.address.text;
      logger.warn('a Consul agent is ill; the next one is asked', { address: agent.address.text, reason, next });
    }
    if (isHanging) this.#moveReads();
    this.#probeLater(PROBE_MS);
  }

  /** The returned function tells that it has ended. */
  began(read: MovableRead): () => void {
    this.#reads.add(read);
    return () => this.#reads.delete(read);
  }

  load(): readonly AgentLoad[] {
    const nowMs = this.#deps.clock.now();
    return this.#agents.map(({ address, requests }, at) => {
      const { illness, requests: asked, failures } = this.#states[at] as State;
      return {
        address: address.text,
        openRequests: requests.open,
        mostOpenRequests: requests.most,
        requests: asked,
        failures,
        serves: at === this.#serving,
        illForMs: illness === undefined ? undefined : nowMs - illness.sinceMs,
        reason: illness?.reason,
        sharing: undefined,
      };
    });
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#probing?.cancel();
    for (const timer of this.#moves) timer.cancel();
    this.#moves.clear();
  }

  #stateOf(agent: PooledAgent): State {
    return this.#states[this.#agents.indexOf(agent)] as State;
  }

  #isIll(at: number): boolean {
    const { illness } = this.#states[at] as State;
    return illness !== undefined && (at < this.#serving || this.#deps.clock.now() - illness.lastMs < FORGET_MS);
  }

  #probeLater(delayMs: number): void {
    if (this.#probing !== undefined || this.#isClosed || this.#serving === 0) return;
    const { clock, random } = this.#deps;
    this.#probing = clock.setTimer(delayMs * (0.8 + 0.4 * random()), () => void this.#probe());
  }

  /** Asks those that stand before the one that serves. */
  async #probe(): Promise<void> {
    const before = this.#agents.slice(0, this.#serving);
    await Promise.all(before.map((agent) => this.#probeOne(agent)));
    this.#probing = undefined;
    if (this.#isClosed) return;
    const isAnswering = this.#states.slice(0, this.#serving).some(({ illness }) => (illness?.answered ?? 0) > 0);
    this.#probeLater(isAnswering ? CONFIRM_MS : PROBE_MS);
  }

  async #probeOne(agent: PooledAgent): Promise<void> {
    const state = this.#stateOf(agent);
    const { illness } = state;
    const isAnswered = illness === undefined || (await this.#deps.probe(agent, illness.request));
    if (this.#isClosed || state.illness !== illness) return;
    if (illness !== undefined) {
      illness.answered = isAnswered ? illness.answered + 1 : 0;
      if (illness.answered < state.needed) return;
    }
    const at = this.#agents.indexOf(agent);
    if (at >= this.#serving) return;
    const { clock, logger } = this.#deps;
    state.illness = undefined;
    state.returnedAtMs = clock.now();
    this.#serving = at;
    logger.info('the Consul agent is well again, and is asked again', { address: agent.address.text });
    this.#moveReads();
  }

  /** What waits at another agent than the one that serves comes to that one. */
  #moveReads(): void {
    const { clock, random } = this.#deps;
    for (const read of this.#reads) {
      if (read.agent === this.serving) continue;
      const timer = clock.setTimer(random() * MOVE_WITHIN_MS, () => {
        this.#moves.delete(timer);
        if (this.#reads.has(read) && read.agent !== this.serving) read.move();
      });
      this.#moves.add(timer);
    }
  }
}

interface AskInTurnDeps {
  readonly pool: AgentPool;
  readonly clock: Clock;
  readonly ask: (agent: PooledAgent, request: ConsulRequest, how: AskOptions) => Promise<Asked>;
}

/** An agent that has not begun to answer by now is not waited for alone. */
export const PATIENCE_MS = 500;

interface Turn {
  readonly agent: PooledAgent;
  readonly abort: AbortController;
  readonly beganAtMs: number;
  isAnswering: boolean;
}

/**
 * A read that every agent answers at once: the next agent is asked as soon as one fails, or has not begun to answer
 * after 500 ms. The first usable answer counts. An agent that let another one overtake it hangs; where none answers,
 * nothing is known against any of them: the datacenter that they were asked about may be frozen. Never rejects.
 */
export function askInTurn(request: ConsulRequest, { pool, clock, ask }: AskInTurnDeps): Promise<ConsulAnswer> {
  const { signal } = request;
  const order = pool.order();
  const untilMs = clock.now() + request.timeLimitMs;
  const running = new Set<Turn>();
  let next = 0;
  let timer: Timer | undefined;
  let last: ConsulAnswer | undefined;

  return new Promise((resolve) => {
    const settle = (answer: ConsulAnswer): void => {
      timer?.cancel();
      signal?.removeEventListener('abort', endAll);
      resolve(answer);
    };
    const endAll = (): void => {
      for (const { abort } of running) abort.abort();
    };

    const begin = (): void => {
      const agent = order[next];
      timer?.cancel();
      timer = undefined;
      if (agent === undefined || signal?.aborted === true) return;
      next += 1;
      const turn: Turn = { agent, abort: new AbortController(), beganAtMs: clock.now(), isAnswering: false };
      running.add(turn);
      if (next < order.length) timer = clock.setTimer(PATIENCE_MS, begin);
      void ask(agent, request, {
        timeLimitMs: Math.max(1, untilMs - clock.now()),
        signal: turn.abort.signal,
        onAnswering: () => {
          turn.isAnswering = true;
          timer?.cancel();
        },
      }).then((asked) => ended(turn, asked));
    };

    const ended = (turn: Turn, { answer, fault }: Asked): void => {
      // Another one has answered.
      if (!running.delete(turn)) return;
      if (fault === 'agent' && answer.kind === 'failure') {
        pool.failed(turn.agent, answer.reason, request, false);
        last = answer;
        if (next < order.length) begin();
        else if (running.size === 0) settle(answer);
        return;
      }
      if (fault === 'late') {
        // The time is over for all of them.
        last ??= answer;
        if (running.size === 0) settle(last);
        return;
      }
      const others = [...running];
      running.clear();
      if (answer.kind === 'answer' || answer.status !== undefined) {
        pool.answered(turn.agent);
        for (const other of others) {
          const waitedMs = clock.now() - other.beganAtMs;
          if (other.isAnswering || waitedMs < PATIENCE_MS) continue;
          const reason = `no answer within ${Math.round(waitedMs)} ms`;
          pool.failed(other.agent, reason, request, true);
        }
      }
      for (const { abort } of others) abort.abort();
      settle(answer);
    };

    signal?.addEventListener('abort', endAll, { once: true });
    begin();
    if (running.size === 0) settle({ kind: 'failure', status: undefined, reason: 'closed' });
  });
}

/** How many requests one client has open at one agent. Each blocking query holds one, and with it a connection. */
interface OpenRequests {
  readonly open: number;
  /** The most that were ever open at once. */
  readonly most: number;
  began(): void;
  ended(): void;
}

/**
 * `limits.http_max_conns_per_client` of a Consul agent, by default; for each client address, all processes together.
 */
const CONNECTION_LIMIT = 200;
const WARN_FROM = 160;

/** Says once when the limit comes near, and again only after the number has been down to half. */
export function countOpenRequests(address: string, logger: Logger): OpenRequests {
  let open = 0;
  let most = 0;
  let isSaid = false;
  return {
    get open() {
      return open;
    },
    get most() {
      return most;
    },
    began() {
      open += 1;
      most = Math.max(most, open);
      if (open < WARN_FROM || isSaid) return;
      isSaid = true;
      logger.warn(
        'this process alone comes near the connections that a Consul agent takes from one address; beyond, it resets them',
        { address, openRequests: open, limit: CONNECTION_LIMIT, setting: 'limits.http_max_conns_per_client' },
      );
    },
    ended() {
      open -= 1;
      if (open < WARN_FROM / 2) isSaid = false;
    },
  };
}
