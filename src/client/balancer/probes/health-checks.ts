import type { Clock } from '../../../base/clock';
import type { StallDetector } from '../../breaker/stall';
import type { BreakerChange, CheckVerdict } from '../../breaker/view';
import { connectivity, type RealSubchannel, type SubchannelInterface } from '../../grpc/grpc-js';
import type { Endpoint } from '../endpoints/endpoint';
import { askHealth, type HealthAnswer } from './health-rpc';

/** A check waits so long at least, three times the usual answer of the endpoint otherwise, and so long at most. */
const LEAST_LIMIT_MS = 1_000;
const USUAL_FACTOR = 3;
const MOST_LIMIT_MS = 5_000;
/**
 * A health service may be wrong for good: nobody ever set it to SERVING, or an interceptor fails what it does not know.
 * After so many bad answers in a row a call probes once in its place.
 */
const BELIEVED_ANSWERS = 3;

/** A connection to an endpoint, as far as a check needs one. */
export interface CheckableConnection {
  readonly subchannel: SubchannelInterface;
  /** `:authority` of calls that were given no other. */
  readonly defaultAuthority: string;
}

export interface HealthCheckDeps {
  readonly clock: Clock;
  readonly stall: StallDetector;
  readonly connectionsTo: (endpoint: Endpoint) => Iterable<CheckableConnection>;
  /** An endpoint is beyond doubt. */
  readonly changed: () => void;
}

/** `ticket` is what the endpoint's breaker knows it by; undefined while its load alone has asked. */
interface RunningCheck {
  ticket: number | undefined;
  readonly end: () => void;
}

/**
 * Finds out by `grpc.health.v1.Health/Check` whether an endpoint that is half-open, doubtful or suspect is well, at no
 * caller's risk (docs/decisions/0024, 0026). Told when there may be something to find out: by breakers, ended attempts,
 * new connections and the shared tick. One check of an endpoint at a time; a server without a health service costs one
 * RPC a connection.
 */
export class HealthChecks {
  readonly #deps: HealthCheckDeps;
  /** Checks that are out, and how each is given up. */
  readonly #running = new Map<Endpoint, RunningCheck>();
  /** Connected now to a server that has no health service, or one that is not believed. */
  readonly #without = new WeakSet<RealSubchannel>();
  /** Checks in a row that a server answered badly, whose breaker was half-open. */
  readonly #badAnswers = new WeakMap<Endpoint, number>();
  #isClosed = false;

  constructor(deps: HealthCheckDeps) {
    this.#deps = deps;
  }

  /** Starts a check if one is due, and there is a connection to ask on. Changes no breaker before it returns. */
  look(endpoint: Endpoint, nowMs: number): void {
    const { breaker } = endpoint;
    const running = this.#running.get(endpoint);
    if (breaker?.needsCheck(nowMs) !== true || this.#isClosed || running?.ticket !== undefined) return;
    if (breaker.state === 'halfOpen' && this.#isDisbelieved(endpoint)) return;
    if (running !== undefined) {
      // It was begun since the endpoint is suspect, and finds out as much.
      running.ticket = breaker.beginCheck();
      return;
    }
    const connection = this.#readyConnection(endpoint);
    if (connection === undefined) return;
    const subchannel = connection.subchannel.getRealSubchannel();
    if (this.#without.has(subchannel)) return;
    const started = this.#start(endpoint, subchannel, connection.defaultAuthority);
    if (started !== undefined) started.ticket = breaker.beginCheck();
  }

  /**
   * Starts a check of an endpoint that is suspect and that its breaker has no doubts of, or leaves it to a call where a
   * check cannot help. A frozen one answers neither: it is asked again, and costs no call.
   */
  lookAtSuspect(endpoint: Endpoint): void {
    const { load, breaker } = endpoint;
    const { suspicion } = load;
    if (!load.isSuspect || suspicion.needsCall || this.#isClosed || this.#running.has(endpoint)) return;
    if (breaker !== undefined && (breaker.state !== 'closed' || breaker.isDoubtful)) return;
    const connection = this.#readyConnection(endpoint);
    if (connection === undefined) return;
    const subchannel = connection.subchannel.getRealSubchannel();
    if (suspicion.isVouchSpent || this.#without.has(subchannel)) suspicion.needsCall = true;
    else this.#start(endpoint, subchannel, connection.defaultAuthority);
  }

  /**
   * A connection has taken the place of one that was silent, or that one answers again: finds out at once whether the
   * endpoint is well. What a check waits for on a silent connection does not come, so it is asked again.
   */
  silenceOver(endpoint: Endpoint): void {
    const running = this.#running.get(endpoint);
    const nowMs = this.#deps.clock.now();
    this.#end(endpoint);
    if (running?.ticket !== undefined) endpoint.breaker?.checked(running.ticket, 'unknown', nowMs, '');
    endpoint.breaker?.connectionRestored();
    this.look(endpoint, nowMs);
    endpoint.load.suspicion.needsCall = false;
    this.lookAtSuspect(endpoint);
    this.#deps.changed();
  }

  /** An endpoint's breaker has changed its state. */
  breakerChanged(endpoint: Endpoint, { event, from }: BreakerChange, nowMs: number): void {
    // A check that is out was begun in another state, and would keep the next one waiting.
    this.#end(endpoint);
    if (event === 'halfOpen') {
      this.look(endpoint, nowMs);
    } else if (from === 'halfOpen' && this.#isDisbelieved(endpoint)) {
      // A call has found out what the health service would not say.
      const connection = event === 'close' ? this.#readyConnection(endpoint) : undefined;
      if (connection !== undefined) this.#rememberWithout(connection.subchannel.getRealSubchannel());
      this.#badAnswers.delete(endpoint);
    }
  }

  /** Ends every check that is out. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const endpoint of [...this.#running.keys()]) this.#end(endpoint);
  }

  #end(endpoint: Endpoint): void {
    this.#running.get(endpoint)?.end();
    this.#running.delete(endpoint);
  }

  /** Undefined: the connection is gone, which grpc-js is about to tell. */
  #start(endpoint: Endpoint, subchannel: RealSubchannel, authority: string): RunningCheck | undefined {
    const { clock } = this.#deps;
    const limitMs = checkLimitMs(endpoint.load.usualMs);
    let giveUp: () => void;
    let isOver = false;
    try {
      giveUp = askHealth(subchannel, authority, limitMs, (answer, reason) => {
        if (answer === 'none') this.#rememberWithout(subchannel);
        settle(answer === 'serving' ? 'passed' : answer === 'bad' ? 'failed' : 'unknown', reason, answer);
      });
    } catch {
      return undefined;
    }
    const settle = (verdict: CheckVerdict, reason: string, answer: HealthAnswer | undefined): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      this.#running.delete(endpoint);
      if (answer === 'serving' && endpoint.load.isSuspect) {
        endpoint.load.vouched();
        this.#deps.changed();
      }
      if (running.ticket !== undefined) this.#settle(endpoint, running.ticket, verdict, reason, answer);
      // A server that says it does not serve, and answers calls, is common: nobody has ever set its status.
      else if (answer === 'bad' || answer === 'none') endpoint.load.suspicion.needsCall = true;
    };
    const timer = clock.setTimer(limitMs, () => {
      // An answer may lie unread in the socket, since timers run before sockets are read.
      setImmediate(() =>
        setImmediate(() => {
          if (isOver) return;
          giveUp();
          settle('failed', `no answer within ${Math.round(limitMs)} ms`, undefined);
        }),
      );
    });
    const end = (): void => {
      isOver = true;
      timer.cancel();
      giveUp();
    };
    const running: RunningCheck = { ticket: undefined, end };
    this.#running.set(endpoint, running);
    return running;
  }

  #settle(
    endpoint: Endpoint,
    ticket: number,
    verdict: CheckVerdict,
    reason: string,
    answer: HealthAnswer | undefined,
  ): void {
    const { clock, stall } = this.#deps;
    const { breaker } = endpoint;
    if (breaker === undefined) return;
    const nowMs = clock.now();
    const wasDoubtful = breaker.isDoubtful;
    const wasHalfOpen = breaker.state === 'halfOpen';
    const believed = verdict === 'failed' && stall.isStalled(nowMs) ? 'unknown' : verdict;
    breaker.checked(ticket, believed, nowMs, `health check: ${reason}`);
    if (wasHalfOpen && answer === 'bad') this.#badAnswers.set(endpoint, (this.#badAnswers.get(endpoint) ?? 0) + 1);
    else if (wasHalfOpen) this.#badAnswers.delete(endpoint);
    if (wasDoubtful && !breaker.isDoubtful) this.#deps.changed();
    if (believed === verdict) this.look(endpoint, nowMs);
  }

  #isDisbelieved(endpoint: Endpoint): boolean {
    return (this.#badAnswers.get(endpoint) ?? 0) >= BELIEVED_ANSWERS;
  }

  #readyConnection(endpoint: Endpoint): CheckableConnection | undefined {
    for (const connection of this.#deps.connectionsTo(endpoint)) {
      if (connection.subchannel.getConnectivityState() === connectivity.READY) return connection;
    }
    return undefined;
  }

  /** Until the connection ends: the next one may be to another server. */
  #rememberWithout(subchannel: RealSubchannel): void {
    if (this.#without.has(subchannel)) return;
    this.#without.add(subchannel);
    const listener = (): void => {
      this.#without.delete(subchannel);
      subchannel.removeConnectivityStateListener(listener);
    };
    subchannel.addConnectivityStateListener(listener);
  }
}

function checkLimitMs(usualMs: number): number {
  return Math.min(Math.max(LEAST_LIMIT_MS, USUAL_FACTOR * usualMs), MOST_LIMIT_MS);
}
