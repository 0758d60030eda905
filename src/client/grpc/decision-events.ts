import type { Clock } from '../../base/clock';
import { type Subscription, subscription } from '../../base/emitter';
import { GraylaneError } from '../../base/errors';
import { hash32 } from '../../base/hash';
import { callListener, type Logger } from '../../base/logger';
import { seededRandom } from '../../base/random';
import type { DecidedBy, Decision, ForceSelector } from '../../policy/plan';
import type { ClientMode } from '../state/policy-state';
import type { CallState } from './call-state';
/** What was decided of one call, for `lane.on('decision')`. Plain data. */
export interface DecisionEvent {
  /** Wall clock, epoch milliseconds. */
  readonly atMs: number;
  /** Consul service name. */
  readonly service: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /**
   * Those that the policy in force reads, and no others; one that the call lacks, or carries twice, is not among them.
   */
  readonly labels: Readonly<Record<string, string>>;
  /** The sticky value that the call's scope gave. */
  readonly stickyKey?: string;
  /** What the call asked for beside the policy. */
  readonly force?: ForceSelector;
  /** What decided. */
  readonly by: DecidedBy;
  /** Name of the route; `default`, `override` and `force` stand for themselves. */
  readonly route: string;
  /** The subset that was decided on. */
  readonly subset: string;
  /** Revision of the policy. */
  readonly revision: string;
  /** It went by a sticky value rather than by chance. */
  readonly sticky: boolean;
  /** 0..9999 where the split was drawn by bucket. */
  readonly bucket?: number;
  /** `observe`: decided, but balanced over all instances. */
  readonly mode: ClientMode;
}

/**
 * Called synchronously as the call begins. What it throws, or its promise rejects with, is logged once, and the call
 * goes on.
 */
export type DecisionListener = (event: DecisionEvent) => void;

/** Which decisions a listener gets. */
export interface DecisionListenerOptions {
  /** Share of calls that the listener hears of, chosen by chance: > 0, at most 1. Default 1. */
  readonly sample?: number;
}

interface Listening {
  readonly listener: DecisionListener;
  readonly hears: () => boolean;
}

/** Is called with each decision of a Graylane client. Must not throw. */
export type DecisionObserver = (decision: Decision, call: CallState) => void;

/** Passes each decision of a Graylane client's calls to its listeners. Builds an event only for those that get it. */
export class DecisionEvents {
  /** Undefined while nothing listens, so that a decision costs one comparison. Called by the services. */
  onDecision: DecisionObserver | undefined = undefined;
  readonly #clock: Clock;
  readonly #seed: string;
  readonly #mode: ClientMode;
  readonly #logger: Logger;
  #observers: readonly DecisionObserver[] = [];
  #listening: readonly Listening[] = [];
  #subscriptions = 0;

  /** `seed`: sampling has draws of its own, so that listening changes no decision. */
  constructor(clock: Clock, seed: string, mode: ClientMode, logger: Logger) {
    this.#clock = clock;
    this.#seed = seed;
    this.#mode = mode;
    this.#logger = logger;
  }

  /** Throws INVALID_OPTION for another `sample`. */
  on(listener: DecisionListener, { sample = 1 }: DecisionListenerOptions = {}): Subscription {
    if (!(typeof sample === 'number' && sample > 0 && sample <= 1)) {
      throw new GraylaneError('INVALID_OPTION', `sample: ${String(sample)} (expected: > 0, <= 1)`);
    }
    const random = seededRandom(hash32(this.#seed, this.#subscriptions));
    this.#subscriptions += 1;
    const listening: Listening = { listener, hears: sample === 1 ? () => true : () => random() < sample };
    this.#listening = [...this.#listening, listening];
    this.#setHook();
    const stop = (): void => {
      this.#listening = this.#listening.filter((each) => each !== listening);
      this.#setHook();
    };
    return subscription(stop);
  }

  /** For the client's own use: the observer is called with every decision from now on. */
  observe(observer: DecisionObserver): void {
    this.#observers = [...this.#observers, observer];
    this.#setHook();
  }

  #setHook(): void {
    const isNeeded = this.#listening.length > 0 || this.#observers.length > 0;
    this.onDecision = isNeeded ? (decision, call) => this.#tell(decision, call) : undefined;
  }

  #tell(decision: Decision, call: CallState): void {
    for (const observe of this.#observers) observe(decision, call);
    let event: DecisionEvent | undefined;
    for (const { listener, hears } of this.#listening) {
      if (!hears()) continue;
      event ??= eventOf(decision, call, { atMs: this.#clock.wallNow(), mode: this.#mode });
      callListener(listener, event, 'decision', this.#logger);
    }
  }
}

function eventOf(
  decision: Decision,
  call: CallState,
  { atMs, mode }: { readonly atMs: number; readonly mode: ClientMode },
): DecisionEvent {
  const { plan } = decision;
  const { method, force, stickyKey } = call;
  const labels: [string, string][] = [];
  for (const key of plan.labelKeys) {
    const value = call.labels.get(key);
    if (value !== undefined) labels.push([key, value]);
  }
  return Object.freeze({
    atMs,
    service: plan.service,
    method,
    labels: Object.freeze(Object.fromEntries(labels)),
    ...(stickyKey === undefined ? {} : { stickyKey }),
    ...(force === undefined ? {} : { force }),
    by: decision.by,
    route: decision.route,
    subset: decision.destination.subset,
    revision: plan.revision,
    sticky: call.sticky,
    ...(call.bucket < 0 ? {} : { bucket: call.bucket }),
    mode,
  });
}
