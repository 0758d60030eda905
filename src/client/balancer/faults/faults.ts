import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/logger';
import type { Random } from '../../../base/random';
import { statusNameOf } from '../../../base/status-names';
import { describeFault } from '../../../policy/faults';
import type { FaultPlan, Plan } from '../../../policy/plan';
import type { CallState } from '../../grpc/call-state';
import type { Counts } from '../../telemetry/counts';
import { type FaultedCall, FaultedCallRecord, FaultState, type FaultView } from './fault-state';

const CANCELLED = 1;
/** Faults that are remembered: those of the policy, and those that it may bring back. */
const MOST_REMEMBERED = 1_200;

interface FaultsOptions {
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counts: Counts | undefined;
}

/**
 * The faults of one service in one client: which attempts they hit, and what became of the calls. Knows the time only
 * when a call asks that a fault concerns; without faults nothing asks. Synchronous; nothing here throws.
 */
export class Faults {
  readonly #options: FaultsOptions;
  /** By name and `until`: what was stopped stays so, also when the policy drops a fault and brings it back. */
  readonly #states = new Map<string, FaultState>();
  #current: readonly FaultState[] = [];

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  /** Takes over a new plan. */
  configure({ faults = [] }: Plan): void {
    if (faults.length === 0 && this.#states.size === 0) return;
    const { clock, logger, service } = this.#options;
    const wallNowMs = clock.wallNow();
    const kept = new Set(faults.map(keyOf));
    for (const [key, { plan }] of this.#states) {
      const isTooMany = this.#states.size > MOST_REMEMBERED;
      if (!kept.has(key) && (isTooMany || wallNowMs >= plan.untilMs)) this.#states.delete(key);
    }
    this.#current = faults.map((plan) => {
      const known = this.#states.get(keyOf(plan));
      known?.configure(plan);
      if (known !== undefined) return known;
      const state = new FaultState(plan, clock.now());
      this.#states.set(keyOf(plan), state);
      const { name, until, by, reason } = plan;
      if (wallNowMs < plan.untilMs) {
        logger.warn('a fault of the policy is in force', {
          service,
          fault: name,
          effect: describeFault(plan),
          until,
          by,
          reason,
        });
      }
      return state;
    });
  }

  /** Called once for a call that faults concern, when it has been decided. */
  begin(call: CallState, plans: readonly FaultPlan[]): void {
    const states = plans.flatMap((plan) => this.#states.get(keyOf(plan)) ?? []);
    if (states.length > 0) call.faulted = new FaultedCallRecord(states);
  }

  /** An attempt of the call begins at `subset` in `place`: the first fault that hits it. */
  draw(record: FaultedCallRecord, subset: string, place: string): FaultState | undefined {
    const { clock, counts, random } = this.#options;
    const wallNowMs = clock.wallNow();
    for (const state of record.states) {
      if (!state.hits(subset, place, random, wallNowMs)) continue;
      state.hitAttempts += 1;
      record.hitBy.add(state);
      counts?.faults.hit(state.plan.name, state.plan.abort === undefined ? 'delay' : 'abort');
      return state;
    }
    return undefined;
  }

  /** A call that faults concern has ended for its caller. */
  ended(call: CallState, record: FaultedCallRecord, code: number, details: string): void {
    const { clock, counts, logger, service } = this.#options;
    const wallNowMs = clock.wallNow();
    // Its caller gave it up: that is nobody's failure.
    if (code === CANCELLED && !isInjected(details)) return;
    for (const state of record.states) {
      if (wallNowMs >= state.plan.untilMs && !record.hitBy.has(state)) continue;
      if (state.stoppedBecause !== undefined && !record.hitBy.has(state)) continue;
      const became = whatBecame(call, record, state, code);
      counts?.faults.callEnded(state.plan.name, became);
      if (!state.ended(became, record.hitBy.has(state), clock.now())) continue;
      const { name, until } = state.plan;
      logger.warn('a fault of the policy is stopped in this client, until its end', {
        service,
        fault: name,
        until,
        because: state.stoppedBecause,
      });
    }
  }

  views(): readonly FaultView[] {
    const wallNowMs = this.#options.clock.wallNow();
    return this.#current.map((state) => state.view(wallNowMs));
  }
}

function whatBecame(call: CallState, record: FaultedCallRecord, state: FaultState, code: number): FaultedCall {
  const { decision } = call;
  const name = statusNameOf(code);
  const isFailure = name !== undefined && decision?.plan.breaker.failureStatusCodes.has(name) === true;
  if (isFailure || (code === state.code && record.isServedByHit)) return 'failed';
  if (!record.hitBy.has(state)) return call.rejectedAt === undefined ? 'untouched' : 'savedByBreaker';
  if (record.isServedByHit) return 'delayed';
  return record.servedBy === decision?.destination.subset ? 'savedByRetry' : 'savedByFallback';
}

function keyOf({ name, untilMs }: FaultPlan): string {
  return `${name}\n${untilMs}`;
}

/** The status of an attempt that it hit. Everybody who reads it knows that it is a drill. */
export function injectedDetails({ name }: FaultPlan): string {
  return `fault ${name} of the policy (drill)`;
}

function isInjected(details: string): boolean {
  return details.startsWith('fault ') && details.endsWith(' of the policy (drill)');
}
