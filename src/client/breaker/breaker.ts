import type { Clock } from '../../base/clock';
import type { Random } from '../../base/random';
import { Circuit } from './circuit';
import { type BreakerRules, causeToOpen, FailureStreak } from './opening-rules';
import type { Outcome } from './outcome';
import type { OutlierTrial } from './outlier/trial';
import { BYPASS, closedPermit, isProbePermit, type Permit, type ProbeGate, probePermit, ticketOf } from './probe-gate';
import { ResetSchedule } from './reset-schedule';
import type { BreakerEvent, BreakerLevel, BreakerState, BreakerView, CheckVerdict, ForcedOpen } from './view';

export interface BreakerIdentity {
  readonly key: string;
  readonly level: BreakerLevel;
  /** opossum's name and group. */
  readonly name: string;
  readonly group: string;
}

/** What a breaker uses, and what it tells its registry. Synchronous; must not throw. */
export interface BreakerContext {
  readonly clock: Clock;
  readonly random: Random;
  /** After each change of state, before listeners on the opossum object. */
  onChange(breaker: Breaker, event: BreakerEvent, from: BreakerState): void;
  /** The window was empty and now holds something. */
  onFirstCount(breaker: Breaker): void;
  /** A listener on the opossum object threw. */
  onListenerError(error: unknown): void;
}

const LONG_AGO = Number.NEGATIVE_INFINITY;
/** A verifying attempt that never ends keeps the next one waiting for so long, or for as long as its answer may take. */
const LEASE_MS = 5_000;
/** How long a passed check counts for a half-open endpoint that has had no call since. */
const VOUCH_MS = 10_000;
/** An offer that never becomes an attempt ends after this: above the 100 ms by which a picker's time may lag. */
const OFFER_MS = 200;

/**
 * One breaker, of an endpoint or a subset. Pickers ask `admits`; an attempt calls `begin` when it starts, and `record`
 * or `release` when it ends. All synchronous. Times are monotonic milliseconds of the breaker's clock. After `dispose`
 * the breaker admits everything and counts nothing.
 */
export class Breaker {
  readonly key: string;
  readonly level: BreakerLevel;
  readonly circuit: Circuit;
  /** Changed here only, like the two that follow. */
  state: BreakerState = 'closed';
  /** Set while the endpoint is ejected as an outlier among its peers, until the breaker closes. */
  trial: OutlierTrial | undefined;
  /** When it last left `closed`; reopening does not move it. Undefined while closed. */
  badSinceMs: number | undefined;
  readonly #context: BreakerContext;
  readonly #ownGate: ProbeGate;
  /** That of the trial, while there is one. */
  #gate: ProbeGate;
  #rules: BreakerRules;
  /** Which closed period this is, or the next one will be. An outcome counts only in the period that it began in. */
  #period = 0;
  #offeredUntilMs = LONG_AGO;
  #probeSuccesses = 0;
  readonly #failures = new FailureStreak();
  /** Attempts in a row with nothing received. A health check that passes does not clear them: one method may hang. */
  timeoutsInARow = 0;
  /** An attempt verifies until then that the endpoint still does not answer. */
  #verifyingUntilMs = LONG_AGO;
  /** Ticket of the health check that runs; 0 without one. Tickets never repeat. */
  #check = 0;
  #checks = 0;
  /** When the last check passed, if no attempt has said otherwise since. */
  #passedAtMs = LONG_AGO;
  readonly #reset: ResetSchedule;
  #forced: ForcedOpen | undefined;
  #openedBecause: string | undefined;
  #lastFailure: { readonly reason: string; readonly atMs: number } | undefined;
  #isCounting = false;

  constructor(identity: BreakerIdentity, rules: BreakerRules, gate: ProbeGate, context: BreakerContext) {
    this.key = identity.key;
    this.level = identity.level;
    this.#context = context;
    this.#ownGate = gate;
    this.#gate = gate;
    this.#rules = rules;
    this.#reset = new ResetSchedule(context.clock, context.random, (openForMs) => this.circuit.probe(openForMs));
    const observer = {
      onOpen: (because = 'opened by hand') => this.#opened(because),
      onHalfOpen: () => this.#change('halfOpen', 'halfOpen'),
      onClose: () => this.#closed(),
      onListenerError: context.onListenerError,
    };
    this.circuit = new Circuit(identity.name, identity.group, rules, observer, context.clock.now());
  }

  /** Silent, and no health check has passed since. A health check, or one attempt at a time, verifies the endpoint. */
  get isDoubtful(): boolean {
    return this.#isSilent && this.#passedAtMs === LONG_AGO;
  }

  /** Is a call due that probes, or verifies? Called in the pick, as `admits`. False while a health check runs. */
  isDue(nowMs: number): boolean {
    if (this.#check !== 0) return false;
    if (!this.isDoubtful) return this.state === 'halfOpen' && this.admits(nowMs);
    return nowMs >= this.#offeredUntilMs && nowMs >= this.#verifyingUntilMs;
  }

  /** Half-open, and its health check passed: any call with a single response may be the probe. */
  isVouched(nowMs: number): boolean {
    return this.state === 'halfOpen' && nowMs < this.#passedAtMs + VOUCH_MS;
  }

  /** Should a health check start now? Not while a call probes or verifies, nor after a check that passed. */
  needsCheck(nowMs: number): boolean {
    if (this.#check !== 0) return false;
    if (this.isDoubtful) return nowMs >= this.#verifyingUntilMs;
    if (this.state !== 'halfOpen' || !this.circuit.enabled) return false;
    return !this.isVouched(nowMs) && this.#gate.admits(nowMs);
  }

  /** A health check starts. Returns its ticket, for `checked`. */
  beginCheck(): number {
    this.#checks += 1;
    this.#check = this.#checks;
    this.#passedAtMs = LONG_AGO;
    return this.#check;
  }

  /**
   * A health check ended; `reason` says how, for views. It counts in no window. A failed one reopens a half-open
   * breaker, and is one more timeout of a doubtful endpoint. Without effect after a change of state.
   */
  checked(ticket: number, verdict: CheckVerdict, nowMs: number, reason: string): void {
    if (ticket !== this.#check) return;
    this.#check = 0;
    if (verdict === 'unknown') return;
    const isHalfOpen = this.state === 'halfOpen';
    if (!isHalfOpen && !this.#isSilent) return;
    if (verdict === 'passed') {
      this.#passedAtMs = nowMs;
      return;
    }
    if (!isHalfOpen) this.timeoutsInARow += 1;
    if (isHalfOpen || this.timeoutsInARow >= (this.#rules.silentFailures ?? 0)) this.#openAfter(reason, nowMs);
  }

  /** May an attempt go here? Called in the pick; allocates nothing. `nowMs` may lag by a tick. */
  admits(nowMs: number): boolean {
    if (this.state === 'closed') return true;
    if (this.#forced !== undefined) return false;
    if (!this.circuit.enabled) return true;
    return this.state === 'halfOpen' && nowMs >= this.#offeredUntilMs && this.#gate.admits(nowMs);
  }

  /**
   * A pick chose this endpoint while it was half-open or doubtful. No other pick is admitted until the attempt starts,
   * or `OFFER_MS` have passed: else all picks of one turn were admitted before the first of their attempts starts.
   */
  offer(nowMs: number): void {
    if (this.state === 'halfOpen' || this.isDoubtful) this.#offeredUntilMs = nowMs + OFFER_MS;
  }

  /**
   * An attempt starts. While half-open the first one that `mayProbe` is the probe; those that start beside it count for
   * nothing. `patienceMs`: how long its answer may take, for which the next probe waits; 0 when that is not known.
   */
  begin(nowMs: number, mayProbe = true, patienceMs = 0): Permit {
    this.#failures.begun();
    if (this.state === 'closed') return closedPermit(this.#period);
    if (this.state === 'open' || !mayProbe || !this.circuit.enabled) return BYPASS;
    const ticket = this.#gate.begin(nowMs, patienceMs);
    if (ticket === 0) return BYPASS;
    this.#offeredUntilMs = LONG_AGO;
    this.#passedAtMs = LONG_AGO;
    return probePermit(ticket);
  }

  /** An attempt starts, before `begin`: true when it is the one that verifies a doubtful endpoint. */
  beginVerifying(nowMs: number, patienceMs = 0): boolean {
    if (!this.isDoubtful || this.#check !== 0 || nowMs < this.#verifyingUntilMs) return false;
    this.#offeredUntilMs = LONG_AGO;
    this.#verifyingUntilMs = nowMs + Math.max(LEASE_MS, patienceMs);
    return true;
  }

  /** Something was received from the endpoint, which may be the first message of a stream that goes on. */
  answered(): void {
    this.timeoutsInARow = 0;
    this.#verifyingUntilMs = LONG_AGO;
    this.#passedAtMs = LONG_AGO;
  }

  /** A silent connection answers again, or a new one replaces it. A breaker that timeouts opened probes now. */
  connectionRestored(): void {
    if (this.timeoutsInARow === 0) return;
    if (this.state === 'closed') this.answered();
    else if (this.state === 'open') this.#reset.hasten();
  }

  /** The attempt ended without a verdict. */
  release(permit: Permit): void {
    if (isProbePermit(permit)) this.#gate.release(ticketOf(permit));
    else this.#verifyingUntilMs = LONG_AGO;
  }

  /**
   * The attempt ended, or, for a long stream, has answered well so far. At most once for each permit. `latencyMs` and
   * `reason` go into opossum's events and into views.
   */
  record(permit: Permit, ended: Outcome, nowMs: number, latencyMs: number = 0, reason: string = ended): void {
    const outcome = ended === 'less' ? this.#less(permit) : ended;
    if (outcome === 'neutral' || !this.circuit.enabled) {
      this.release(permit);
    } else if (isProbePermit(permit)) {
      if (this.state === 'halfOpen' && this.#gate.settle(ticketOf(permit)))
        this.#probed(outcome, nowMs, latencyMs, reason);
    } else if (this.state === 'closed' && permit === closedPermit(this.#period)) {
      this.#count(outcome, nowMs, latencyMs, reason);
    }
  }

  /** An endpoint that asks for fewer calls is alive, so its probe went well. Of a subset this says nothing. */
  #less(permit: Permit): Outcome {
    if (this.level === 'endpoint' && isProbePermit(permit)) return 'success';
    if (this.level === 'endpoint' && this.state === 'closed') this.answered();
    return 'neutral';
  }

  /** The answer of a recorded success cannot be used: counts a failure in its place. While closed only. */
  recordUnusable(nowMs: number, latencyMs: number, reason: string): void {
    if (this.state !== 'closed' || !this.circuit.enabled) return;
    this.circuit.takeBack('successes', nowMs);
    this.#failures.successTakenBack();
    this.#count('failure', nowMs, latencyMs, reason);
  }

  /** A recorded failure was not the endpoint's: takes it out of the counts. A breaker that it opened stays open. */
  forgiveFailure(nowMs: number): void {
    if (this.state !== 'closed' || !this.circuit.enabled) return;
    this.circuit.takeBack('failures', nowMs);
    this.#failures.failureTakenBack();
  }

  /** Opens the breaker whatever was counted, as when a subset is shed in every datacenter. */
  open(because: string): void {
    this.circuit.open(because);
  }

  /**
   * Opens the breaker of an outlier. While half-open it gets the calls of its trial, whose verdict opens or closes it.
   */
  eject(trial: OutlierTrial): void {
    this.trial = trial;
    this.#gate = trial;
    this.open(trial.because);
  }

  /** Keeps it open, if it was before or not, without probes, until `endForcedOpen()` or until it is closed by hand. */
  forceOpen(forced: ForcedOpen): void {
    this.#forced = forced;
    this.open(forced.because);
    this.#reset.cancel();
    this.#openedBecause = forced.because;
  }

  /** Closes a breaker that was forced open, with an empty window. */
  endForcedOpen(): void {
    if (this.#forced !== undefined) this.circuit.close();
  }

  /** Takes new rules. State, counts and permits stay. An open breaker never waits longer than the new rules say. */
  configure(rules: BreakerRules): void {
    if (rules === this.#rules) return;
    this.circuit.configure(rules, rules.enabled !== this.#rules.enabled, this.#context.clock.now());
    this.#rules = rules;
    if (this.state === 'open' && this.#forced === undefined) this.#reset.configure(rules);
  }

  /**
   * Called from the shared tick. A probe without a deadline has failed when its answer should have come: else one
   * caller after the other were sent to a method that hangs, and the pauses between them did not grow.
   */
  giveUpLateProbe(nowMs: number): void {
    if (this.state === 'halfOpen' && this.#gate.isLate(nowMs)) this.#openAfter('the probe was not answered', nowMs);
  }

  /** Drops what has left the window. False: the window is empty. Called from the registry's timer. */
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
      state: this.state,
      isEnabled: this.circuit.enabled || this.#forced !== undefined,
      counts: this.circuit.tally(),
      consecutiveFailures: this.#failures.inARow,
      silentFailures: this.timeoutsInARow,
      isDoubtful: this.isDoubtful,
      probesInMs: this.state === 'open' && this.#forced === undefined ? this.#reset.dueInMs(nowMs) : undefined,
      heldForMs: this.#forced?.dueInMs(nowMs),
      openedBecause: this.state === 'closed' ? undefined : this.#openedBecause,
      lastFailure: last === undefined ? undefined : { reason: last.reason, agoMs: nowMs - last.atMs },
    };
  }

  dispose(): void {
    this.#forced = undefined;
    this.#reset.cancel();
    this.circuit.shutdown();
  }

  #count(outcome: Outcome, nowMs: number, latencyMs: number, reason: string): void {
    this.#verifyingUntilMs = LONG_AGO;
    if (!this.#isCounting) {
      this.#isCounting = true;
      this.#context.onFirstCount(this);
    }
    if (outcome === 'success') {
      this.#failures.succeeded(nowMs - latencyMs);
      this.answered();
      this.circuit.countSuccess(latencyMs, nowMs, false);
      return;
    }
    this.#fail(outcome, nowMs, latencyMs, reason);
    const because = causeToOpen(this.#rules, this.#failures.inARow, this.timeoutsInARow, this.circuit);
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
    this.#failures.failed(nowMs - latencyMs, nowMs);
    this.timeoutsInARow = outcome === 'silent' ? this.timeoutsInARow + 1 : 0;
    this.#passedAtMs = LONG_AGO;
    this.#lastFailure = { reason, atMs: nowMs };
    this.circuit.countFailure(reason, latencyMs, nowMs);
  }

  #openAfter(reason: string, nowMs: number): void {
    this.#lastFailure = { reason, atMs: nowMs };
    this.open(reason);
  }

  /** Closed, and the last attempts ended with nothing received, but too few of them to open it. */
  get #isSilent(): boolean {
    if (this.state !== 'closed' || this.timeoutsInARow === 0) return false;
    return (this.#rules.silentFailures ?? 0) > 0 && this.circuit.enabled;
  }

  #opened(because: string): void {
    const nowMs = this.#context.clock.now();
    this.badSinceMs ??= nowMs;
    this.#openedBecause = because;
    const isAgain = this.state === 'halfOpen' || this.trial?.isRelapse === true;
    if (this.#forced === undefined) this.#reset.opened(nowMs, isAgain, this.#rules);
    this.#change('open', 'open');
  }

  #closed(): void {
    this.#forced = undefined;
    this.trial = undefined;
    this.#gate = this.#ownGate;
    this.#reset.cancel();
    this.#period += 1;
    this.#failures.clear();
    this.timeoutsInARow = 0;
    this.badSinceMs = undefined;
    this.#openedBecause = undefined;
    this.#change('closed', 'close');
  }

  #change(state: BreakerState, event: BreakerEvent): void {
    const from = this.state;
    this.state = state;
    this.#gate.reset();
    this.#offeredUntilMs = LONG_AGO;
    this.#verifyingUntilMs = LONG_AGO;
    this.#check = 0;
    this.#passedAtMs = LONG_AGO;
    this.#probeSuccesses = 0;
    this.#context.onChange(this, event, from);
  }
}
