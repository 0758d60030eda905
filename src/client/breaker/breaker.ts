import type { BreakerDeps, BreakerIdentity } from './breaker-deps';
import { Circuit } from './circuit';
import { type CheckVerdict, HealthWord } from './health-word';
import type { Hold } from './hold';
import type { Outcome } from './outcome';
import type { OutlierTrial } from './outlier/trial';
import { BYPASS, closedPermit, isProbePermit, type Permit, probePermit, ticketOf } from './permit';
import type { ProbeGate } from './probe-gate';
import { ResetSchedule } from './reset-schedule';
import { type BreakerRules, causeToOpen } from './rules';
import { Silence } from './silence';
import { FailureStreak } from './streak';
import type { BreakerEvent, BreakerLevel, BreakerState, BreakerView } from './view';

/**
 * A pick that was promised the probe and never became an attempt keeps others waiting no longer than this. Above the 100 ms
 * by which a picker's idea of the time may lag.
 */
const OFFER_MS = 200;

/**
 * A breaker asked before and told after: `admits` in the pick, `begin` when the attempt starts, `record` or `release`
 * when it ends. All synchronous. Times are monotonic milliseconds of the breaker's clock. After `dispose` it admits everything
 * and counts nothing.
 */
export class Breaker {
  readonly key: string;
  readonly level: BreakerLevel;
  readonly circuit: Circuit;
  /** Set from when it was ejected as an outlier among its peers until it closes. Changed here only. */
  trial: OutlierTrial | undefined;
  readonly #deps: BreakerDeps;
  readonly #ownGate: ProbeGate;
  #rules: BreakerRules;
  #state: BreakerState = 'closed';
  /** Which closed period this is, or the next one will be; an outcome is believed only in the period it began in. */
  #period = 0;
  #offeredUntilMs = Number.NEGATIVE_INFINITY;
  #probeSuccesses = 0;
  readonly #streak = new FailureStreak();
  readonly #silence = new Silence();
  readonly #word = new HealthWord();
  readonly #reset: ResetSchedule;
  /** Set while somebody else keeps it open. */
  #hold: Hold | undefined;
  #badSinceMs: number | undefined;
  #openedBecause: string | undefined;
  /** Set while `open` runs. */
  #cause: string | undefined;
  #lastFailure: { readonly reason: string; readonly atMs: number } | undefined;
  #isCounting = false;

  constructor(identity: BreakerIdentity, rules: BreakerRules, gate: ProbeGate, deps: BreakerDeps) {
    this.key = identity.key;
    this.level = identity.level;
    this.#deps = deps;
    this.#ownGate = gate;
    this.#rules = rules;
    this.#reset = new ResetSchedule(deps.clock, deps.random, (openForMs) => this.circuit.probe(openForMs));
    this.circuit = new Circuit(
      identity.name,
      identity.group,
      rules,
      {
        opened: () => this.#opened(),
        halfOpened: () => this.#change('halfOpen', 'halfOpen'),
        closed: () => this.#closed(),
        listenerFailed: deps.listenerFailed,
      },
      deps.clock.now(),
    );
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** When it last left `closed`; a reopening does not move it. Undefined while closed. */
  get badSinceMs(): number | undefined {
    return this.#badSinceMs;
  }

  /**
   * Closed, but the last that was heard of it is nothing: one or more silent attempts, and not yet as many as open it, and
   * no health check has passed since. It is verified by a health check, or by one attempt at a time, so that the verdict
   * does not wait for callers' deadlines.
   */
  get isDoubtful(): boolean {
    return this.#isSilent && !this.#word.hasPassed;
  }

  /** Silent attempts in a row. A health check that passes does not erase them: a method may hang in a healthy server. */
  get silentInARow(): number {
    return this.#silence.inARow;
  }

  /** Is a call due that probes, or verifies? Called in the pick, as `admits`. Not while a health check is finding out. */
  isDue(nowMs: number): boolean {
    if (this.#word.isOut) return false;
    if (!this.isDoubtful) return this.#state === 'halfOpen' && this.admits(nowMs);
    return nowMs >= this.#offeredUntilMs && this.#silence.isDue(nowMs);
  }

  /** Half-open, and its health check passed: any call with a single response may be the probe. */
  isVouched(nowMs: number): boolean {
    return this.#state === 'halfOpen' && this.#word.isFresh(nowMs);
  }

  /** Should a health check find out now? Not while a call does, nor after a check that passed. */
  needsCheck(nowMs: number): boolean {
    if (this.#word.isOut) return false;
    if (this.isDoubtful) return this.#silence.isDue(nowMs);
    if (this.#state !== 'halfOpen' || !this.circuit.enabled) return false;
    return !this.#word.isFresh(nowMs) && this.#gate.admits(nowMs);
  }

  /** A health check starts. Returns its ticket, for `checked`. */
  beginCheck(): number {
    return this.#word.begin();
  }

  /**
   * A health check ended; `reason` says how, for views. It counts in no window: as a failure it reopens a half-open
   * breaker, and is one more silence of a doubtful endpoint. Without effect when the state has changed since it began.
   */
  checked(ticket: number, verdict: CheckVerdict, nowMs: number, reason: string): void {
    if (!this.#word.end(ticket) || verdict === 'unknown') return;
    if (this.#state === 'halfOpen') {
      if (verdict === 'passed') this.#word.passed(nowMs);
      else this.#checkFailed(nowMs, reason);
    } else if (this.#isSilent) {
      if (verdict === 'passed') this.#word.passed(nowMs);
      else {
        this.#silence.inARow += 1;
        if (this.#silence.inARow >= (this.#rules.silentFailures ?? 0)) this.#checkFailed(nowMs, reason);
      }
    }
  }

  /** May an attempt go here? Called in the pick; allocates nothing. `nowMs` may lag by a tick. */
  admits(nowMs: number): boolean {
    if (this.#state === 'closed') return true;
    if (this.#hold !== undefined) return false;
    if (!this.circuit.enabled) return true;
    return this.#state === 'halfOpen' && nowMs >= this.#offeredUntilMs && this.#gate.admits(nowMs);
  }

  /**
   * The pick chose this one while it was half-open or doubtful: nobody else is admitted until the attempt starts, or does not. Without it,
   * all picks of one turn would be admitted before the first of their attempts starts.
   */
  offer(nowMs: number): void {
    if (this.#state === 'halfOpen' || this.isDoubtful) this.#offeredUntilMs = nowMs + OFFER_MS;
  }

  /**
   * An attempt starts. While half-open the first one that `mayProbe` takes the probe; what begins beside it says nothing.
   * `patienceMs`: how long its answer may well take, for which the next probe waits; 0 when nobody knows.
   */
  begin(nowMs: number, mayProbe = true, patienceMs = 0): Permit {
    if (this.#state === 'closed') return closedPermit(this.#period);
    if (this.#state === 'open' || !mayProbe || !this.circuit.enabled) return BYPASS;
    const ticket = this.#gate.begin(nowMs, patienceMs);
    if (ticket === 0) return BYPASS;
    this.#offeredUntilMs = Number.NEGATIVE_INFINITY;
    this.#word.withdraw();
    return probePermit(ticket);
  }

  /** An attempt starts, before `begin`: true when it is the one that verifies a doubtful endpoint. */
  beginVerifying(nowMs: number, patienceMs = 0): boolean {
    if (!this.isDoubtful || this.#word.isOut || !this.#silence.isDue(nowMs)) return false;
    this.#offeredUntilMs = Number.NEGATIVE_INFINITY;
    this.#silence.verifying(nowMs, patienceMs);
    return true;
  }

  /** Something was received from the endpoint, be it the first message of a stream that goes on: it is not silent. */
  heard(): void {
    this.#silence.broken();
    this.#word.withdraw();
  }

  /**
   * A fresh connection has taken the place of one that did not answer, or that one answers again. Opened by silence, the breaker
   * probes now.
   */
  silenceOver(): void {
    if (this.#silence.inARow === 0) return;
    if (this.#state === 'closed') this.heard();
    else if (this.#state === 'open') this.#reset.hasten();
  }

  isProbe(permit: Permit): boolean {
    return isProbePermit(permit);
  }

  /** The attempt ended without a verdict. */
  release(permit: Permit): void {
    if (isProbePermit(permit)) this.#gate.release(ticketOf(permit));
    else this.#silence.released();
  }

  /**
   * The attempt ended; for a long stream also: it answered well so far. At most once for each permit. `latencyMs` and
   * `reason` are for those who look at statistics and views.
   */
  record(permit: Permit, ended: Outcome, nowMs: number, latencyMs: number = 0, reason: string = ended): void {
    const outcome = ended === 'less' ? this.#less(permit) : ended;
    if (outcome === 'neutral' || !this.circuit.enabled) {
      this.release(permit);
      return;
    }
    if (isProbePermit(permit)) {
      if (this.#state === 'halfOpen' && this.#gate.settle(ticketOf(permit)))
        this.#probed(outcome, nowMs, latencyMs, reason);
    } else if (this.#state === 'closed' && permit === closedPermit(this.#period)) {
      this.#count(outcome, nowMs, latencyMs, reason);
    }
  }

  /** An endpoint that wants less is alive, so that its probe went well. Whether a subset's calls go well it does not tell. */
  #less(permit: Permit): Outcome {
    if (this.level === 'endpoint' && isProbePermit(permit)) return 'success';
    if (this.level === 'endpoint' && this.#state === 'closed') this.heard();
    return 'neutral';
  }

  /** A recorded success has brought an answer that cannot be used: a failure takes its place. While closed only. */
  recordUnusable(nowMs: number, latencyMs: number, reason: string): void {
    if (this.#state !== 'closed' || !this.circuit.enabled) return;
    this.circuit.takeBack('successes', nowMs);
    this.#streak.successTakenBack();
    this.#count('failure', nowMs, latencyMs, reason);
  }

  /** A recorded failure turned out to be none of this one's doing. It opens nothing any more; what it has opened stays so. */
  forgiveFailure(nowMs: number): void {
    if (this.#state !== 'closed' || !this.circuit.enabled) return;
    this.circuit.takeBack('failures', nowMs);
    this.#streak.failureTakenBack();
  }

  /** Opens it whatever was counted, as when the whole of a subset is shed. */
  open(because: string): void {
    this.#cause = because;
    this.circuit.open();
    this.#cause = undefined;
  }

  /** Its peers do better: opens it. Once half-open it gets the calls of its trial, whose judge opens it again or acquits it. */
  eject(trial: OutlierTrial): void {
    this.trial = trial;
    this.open(trial.because);
  }

  /** Keeps it open until `letGo()`, or until it is closed by hand: no probes, whatever its own numbers say. */
  hold(hold: Hold): void {
    this.#hold = hold;
    this.open(hold.because);
    // It may have been open before.
    this.#reset.cancel();
    this.#openedBecause = hold.because;
  }

  /** Closes it, with an empty window. */
  letGo(): void {
    if (this.#hold !== undefined) this.circuit.close();
  }

  /** Takes new numbers; state, counts and permits stay. An open breaker never waits longer than the new numbers say. */
  configure(rules: BreakerRules): void {
    if (rules === this.#rules) return;
    const was = this.#rules;
    this.#rules = rules;
    const nowMs = this.#deps.clock.now();
    this.circuit.configure(rules, nowMs);
    if (rules.enabled !== was.enabled) {
      if (rules.enabled) this.circuit.enable();
      else this.circuit.disable();
    }
    if (this.#state === 'open' && this.#hold === undefined) this.#reset.configure(rules);
  }

  /**
   * Called from the shared tick. A probe whose caller would wait for ever has failed when its answer should have come: else
   * one caller after the other would be sent to a method that hangs, and the pauses between them would not grow.
   */
  giveUpLateProbe(nowMs: number): void {
    if (this.#state !== 'halfOpen' || !this.#gate.isLate(nowMs)) return;
    this.#checkFailed(nowMs, 'the probe was not answered');
  }

  /** Lets go of what has left the window. False: nothing is left in it. Called from the registry's loop. */
  rotate(nowMs: number): boolean {
    this.circuit.rotate(nowMs);
    this.circuit.tellSnapshot();
    const { successes, failures } = this.circuit.tally();
    this.#isCounting = successes + failures > 0;
    return this.#isCounting;
  }

  view(nowMs: number): BreakerView {
    this.circuit.rotate(nowMs);
    const last = this.#lastFailure;
    return {
      key: this.key,
      level: this.level,
      state: this.#state,
      isEnabled: this.circuit.enabled || this.#hold !== undefined,
      counts: this.circuit.tally(),
      consecutiveFailures: this.#streak.inARow,
      silentFailures: this.#silence.inARow,
      isDoubtful: this.isDoubtful,
      probesInMs: this.#state === 'open' && this.#hold === undefined ? this.#reset.dueInMs(nowMs) : undefined,
      heldForMs: this.#hold?.dueInMs(nowMs),
      openedBecause: this.#state === 'closed' ? undefined : this.#openedBecause,
      lastFailure: last === undefined ? undefined : { reason: last.reason, agoMs: nowMs - last.atMs },
    };
  }

  dispose(): void {
    this.#hold = undefined;
    this.#reset.cancel();
    this.circuit.shutdown();
  }

  #count(outcome: Outcome, nowMs: number, latencyMs: number, reason: string): void {
    this.#silence.released();
    if (!this.#isCounting) {
      this.#isCounting = true;
      this.#deps.counted(this);
    }
    if (outcome === 'success') {
      this.#streak.succeeded();
      this.heard();
      this.circuit.countSuccess(latencyMs, nowMs, false);
      return;
    }
    this.#fail(outcome, nowMs, latencyMs, reason);
    const streaks = { consecutiveFailures: this.#streak.inARow, silentFailures: this.#silence.inARow };
    const because = causeToOpen(this.#rules, streaks, () => this.circuit.tally());
    if (because !== undefined) this.open(because);
  }

  #probed(outcome: Outcome, nowMs: number, latencyMs: number, reason: string): void {
    if (outcome === 'success') {
      this.#probeSuccesses += 1;
      this.circuit.countSuccess(latencyMs, nowMs, this.#probeSuccesses >= this.#gate.successesToClose);
      return;
    }
    this.#fail(outcome, nowMs, latencyMs, reason);
    if (this.trial === undefined) this.open('the probe failed');
  }

  #fail(outcome: Outcome, nowMs: number, latencyMs: number, reason: string): void {
    this.#streak.failed();
    this.#silence.inARow = outcome === 'silent' ? this.#silence.inARow + 1 : 0;
    this.#word.withdraw();
    this.#lastFailure = { reason, atMs: nowMs };
    this.circuit.countFailure(reason, latencyMs, nowMs);
  }

  #checkFailed(nowMs: number, reason: string): void {
    this.#lastFailure = { reason, atMs: nowMs };
    this.open(reason);
  }

  get #gate(): ProbeGate {
    return this.trial ?? this.#ownGate;
  }

  /** Closed, and its last attempts were silent, if not enough of them to open it. */
  get #isSilent(): boolean {
    if (this.#state !== 'closed' || this.#silence.inARow === 0) return false;
    return (this.#rules.silentFailures ?? 0) > 0 && this.circuit.enabled;
  }

  #opened(): void {
    const nowMs = this.#deps.clock.now();
    this.#badSinceMs ??= nowMs;
    this.#openedBecause = this.#cause ?? 'opened by hand';
    const isAgain = this.#state === 'halfOpen' || this.trial?.isRelapse === true;
    if (this.#hold === undefined) this.#reset.opened(nowMs, isAgain, this.#rules);
    this.#change('open', 'open');
  }

  #closed(): void {
    this.#hold = undefined;
    this.trial = undefined;
    this.#reset.cancel();
    this.#period += 1;
    this.#streak.clear();
    this.#silence.broken();
    this.#badSinceMs = undefined;
    this.#openedBecause = undefined;
    this.#change('closed', 'close');
  }

  #change(state: BreakerState, event: BreakerEvent): void {
    const from = this.#state;
    this.#state = state;
    this.#gate.reset();
    this.#offeredUntilMs = Number.NEGATIVE_INFINITY;
    this.#silence.released();
    this.#word.reset();
    this.#probeSuccesses = 0;
    this.#deps.changed(this, event, from);
  }
}
