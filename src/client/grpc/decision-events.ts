import type { Clock } from '../../base/clock';
import { defined } from '../../base/defined';
import { type Subscription, subscription } from '../../base/emitter';
import { GraylaneError } from '../../base/errors';
import { hash32 } from '../../base/hash';
import { callListener, type Logger } from '../../base/logger';
import { seededRandom } from '../../base/random';
import type { DecidedBy, Decision, ForceSelector } from '../../policy/plan';
import type { ClientMode } from '../state/policy-state';
import type { CallState } from './call-state';

/** What was decided of one call, for `graylane.on('decision')`. Plain data. */
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
  /** The lane that it leads to. */
  readonly lane?: string;
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
    return this.observe((decision, call) => {
      if (sample < 1 && random() >= sample) return;
      const event = eventOf(decision, call, this.#clock.wallNow(), this.#mode);
      callListener(listener, event, 'decision', this.#logger);
    });
  }

  /** The observer is called with every decision from now on. */
  observe(observer: DecisionObserver): Subscription {
    const entry: DecisionObserver = (decision, call) => observer(decision, call);
    const set = (observers: readonly DecisionObserver[]): void => {
      this.#observers = observers;
      this.onDecision = observers.length === 0 ? undefined : (decision, call) => this.#tell(decision, call);
    };
    set([...this.#observers, entry]);
    return subscription(() => set(this.#observers.filter((each) => each !== entry)));
  }

  #tell(decision: Decision, call: CallState): void {
    for (const observe of this.#observers) observe(decision, call);
  }
}

function eventOf(decision: Decision, call: CallState, atMs: number, mode: ClientMode): DecisionEvent {
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
    ...defined({ stickyKey, force }),
    by: decision.by,
    route: decision.route,
    subset: decision.destination.subset,
    ...defined({ lane: decision.lane }),
    revision: plan.revision,
    sticky: call.sticky,
    ...(call.bucket < 0 ? {} : { bucket: call.bucket }),
    mode,
  });
}
