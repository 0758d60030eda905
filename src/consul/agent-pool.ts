import type { Clock, Timer } from '../base/clock';
import type { Logger } from '../base/logger';
import type { Random } from '../base/random';
import type { AgentAddress } from './agent-address';
import type { RawConsul } from './agent-connection';
import type { AgentLoad } from './agent-load';
import type { ConsulRequest } from './client';
import type { OpenRequests } from './open-requests';

/** One agent that may be asked, in the order of the addresses. */
export interface PooledAgent {
  readonly address: AgentAddress;
  readonly consul: RawConsul;
  readonly requests: OpenRequests;
}

/** A blocking read that is out, which another agent could answer as well. */
export interface MovableRead {
  readonly agent: PooledAgent;
  /** Ends it there; whoever waits for it asks another agent. */
  move(): void;
}

export interface AgentPoolDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
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
/** Nobody asks an agent behind the one that serves whether it is cured: after this it counts as well. */
const FORGET_MS = 60_000;
/** Blocking reads are moved within this time, so that they do not come to the next agent all at once. */
const MOVE_WITHIN_MS = 5_000;

/**
 * Which of several agents is asked. The first well one serves; one that fails is left for the next, and returned to when it has
 * answered twice in a row what it did not answer. Times are monotonic milliseconds.
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
