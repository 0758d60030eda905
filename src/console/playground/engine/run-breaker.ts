import { seededRandom } from '../../../base/random';
import type { Breaker } from '../../../client/breaker/breaker';
import type { Outcome } from '../../../client/breaker/outcome';
import { NO_PERMIT } from '../../../client/breaker/probe-gate';
import { BreakerRegistry } from '../../../client/breaker/registry';
import type { BreakerState } from '../../../client/breaker/view';
import type { Plan, SubsetPlan } from '../../../policy/plan';
import { VirtualClock } from './virtual-clock';

/** An endpoint, or a subset, that fails for a while. Times are milliseconds from the start. */
export interface BreakerScenario {
  /** Whose breaker. `subset`: the one that sheds to the fallback. */
  readonly level: 'endpoint' | 'subset';
  readonly subset: string;
  /** > 0. Spread evenly, so that the same scenario always means the same calls. */
  readonly callsPerSecond: number;
  readonly failsFromMs: number;
  readonly failsUntilMs: number;
  /** Share of calls that fail in that time, 0..100. */
  readonly failingPercent: number;
  /** The failing calls get no answer and end by their deadline, rather than with an error. */
  readonly isSilent: boolean;
  readonly durationMs: number;
  readonly seed: number;
}

/** What the breaker did. */
export interface BreakerRun {
  /** Without gaps, in order. */
  readonly states: readonly BreakerPhase[];
  /** Calls by their start, in equal parts of the time. */
  readonly bins: readonly BreakerBin[];
  readonly binMs: number;
  readonly totals: BreakerBin;
  /** Calls that would have failed without the breaker. */
  readonly failedWithout: number;
  /** From the first failing moment until it opened; undefined: it did not. */
  readonly openedAfterMs: number | undefined;
  /** From the end of the trouble until it was closed again; undefined: it was not, or had never opened. */
  readonly closedAfterMs: number | undefined;
}

export interface BreakerPhase {
  readonly state: BreakerState;
  readonly fromMs: number;
  readonly untilMs: number;
  /** What opened it. */
  readonly because: string | undefined;
}

interface BreakerBin {
  /** Calls that were answered well, that failed, and that were sent elsewhere since the breaker did not admit them. */
  readonly served: number;
  readonly failed: number;
  readonly elsewhere: number;
}

const KEY = 'dc1/10.0.0.1:9000';
const DATACENTER = 'dc1';
const ANSWER_MS = 20;
const DEADLINE_MS = 1_000;
const BINS = 120;
/** Bounds the work of one run. */
const MOST_BREAKER_CALLS = 200_000;

/** Sends calls through the client's own breakers in virtual time. The same scenario gives the same run. */
export function runBreaker(plan: Plan, scenario: BreakerScenario): BreakerRun {
  return new Run(subsetOf(plan, scenario.subset), scenario).result();
}

function subsetOf({ subsets }: Plan, name: string): SubsetPlan {
  const subset = subsets.get(name) ?? [...subsets.values()][0];
  if (subset === undefined) throw new Error(`${name} (expected: a subset)`);
  return subset;
}

class Run {
  readonly #clock = new VirtualClock();
  readonly #breakers: BreakerRegistry;
  readonly #subset: SubsetPlan;
  readonly #scenario: BreakerScenario;
  readonly #bins: { served: number; failed: number; elsewhere: number }[];
  readonly #phases: BreakerPhase[] = [];
  readonly #binMs: number;
  #phase: Omit<BreakerPhase, 'untilMs'> = { state: 'closed', fromMs: 0, because: undefined };
  #failedWithout = 0;

  constructor(subset: SubsetPlan, scenario: BreakerScenario) {
    this.#subset = subset;
    this.#scenario = scenario;
    this.#binMs = scenario.durationMs / BINS;
    this.#bins = Array.from({ length: BINS }, () => ({ served: 0, failed: 0, elsewhere: 0 }));
    this.#breakers = new BreakerRegistry({ clock: this.#clock, random: seededRandom(scenario.seed) });
    this.#breakers.subscribe(({ level, state }) => {
      if (level === scenario.level) this.#changed(state);
    });
    this.#run();
  }

  result(): BreakerRun {
    const { failsFromMs, failsUntilMs, durationMs } = this.#scenario;
    const states = [...this.#phases, { ...this.#phase, untilMs: durationMs }];
    const opened = states.find(({ state }) => state === 'open');
    const last = states.at(-1);
    const isClosedAgain = opened !== undefined && last?.state === 'closed' && last.fromMs >= failsUntilMs;
    const totals = { served: 0, failed: 0, elsewhere: 0 };
    for (const bin of this.#bins) {
      totals.served += bin.served;
      totals.failed += bin.failed;
      totals.elsewhere += bin.elsewhere;
    }
    return {
      states,
      bins: this.#bins,
      binMs: this.#binMs,
      totals,
      failedWithout: this.#failedWithout,
      openedAfterMs: opened && opened.fromMs - failsFromMs,
      closedAfterMs: isClosedAgain ? last.fromMs - failsUntilMs : undefined,
    };
  }

  #run(): void {
    const { callsPerSecond, durationMs, seed, failsFromMs, failsUntilMs, failingPercent } = this.#scenario;
    const random = seededRandom(seed + 1);
    const calls = Math.min(MOST_BREAKER_CALLS, Math.floor((durationMs / 1_000) * callsPerSecond));
    for (let call = 0; call < calls; call += 1) {
      const atMs = (call * 1_000) / callsPerSecond;
      this.#clock.runUntil(atMs);
      // Drawn for every call, so that the trouble is the same whatever the breaker does.
      const isHit = random() * 100 < failingPercent;
      this.#call(atMs, isHit && atMs >= failsFromMs && atMs < failsUntilMs);
    }
    this.#clock.runUntil(durationMs);
    this.#breakers.close();
  }

  #call(atMs: number, isFailing: boolean): void {
    const bin = this.#bins[Math.min(BINS - 1, Math.floor(atMs / this.#binMs))];
    if (bin === undefined) return;
    if (isFailing) this.#failedWithout += 1;
    const breaker = this.#breaker();
    if (breaker?.admits(atMs) === false) {
      bin.elsewhere += 1;
      return;
    }
    breaker?.offer(atMs);
    breaker?.beginVerifying(atMs, DEADLINE_MS);
    const permit = breaker?.begin(atMs, true, DEADLINE_MS) ?? NO_PERMIT;
    const { isSilent } = this.#scenario;
    const outcome: Outcome = isFailing ? (isSilent ? 'silent' : 'failure') : 'success';
    const tookMs = outcome === 'silent' ? DEADLINE_MS : ANSWER_MS;
    if (isFailing) bin.failed += 1;
    else bin.served += 1;
    this.#clock.setTimer(tookMs, () => {
      const nowMs = this.#clock.now();
      // An endpoint's breaker is made at its first failure, as in the client.
      const own = isFailing ? this.#breakerOfFailure() : this.#breaker();
      own?.record(permit, outcome, nowMs, tookMs);
    });
  }

  #breaker(): Breaker | undefined {
    if (this.#scenario.level === 'endpoint') return this.#breakers.forEndpoint(KEY);
    return this.#breakers.forSubset(this.#subset, DATACENTER);
  }

  #breakerOfFailure(): Breaker {
    if (this.#scenario.level === 'endpoint') return this.#breakers.failed(KEY, this.#subset.breaker);
    return this.#breakers.forSubset(this.#subset, DATACENTER);
  }

  #changed(state: BreakerState): void {
    const nowMs = this.#clock.now();
    const because = this.#breaker()?.view(nowMs).openedBecause;
    if (nowMs > this.#phase.fromMs) this.#phases.push({ ...this.#phase, untilMs: nowMs });
    this.#phase = { state, fromMs: nowMs, because: state === 'closed' ? undefined : because };
  }
}
