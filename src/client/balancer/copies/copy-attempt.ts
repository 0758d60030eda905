import type { CallState } from '../../grpc/call-state';
import type { AttemptEnding } from '../../grpc/retry-rules';
import { Attempt, AttemptPool } from '../attempts/attempt';
import type { ChannelConnection } from '../endpoints/connection';
import type { Pool } from '../tiers/pool';

/**
 * The attempt of a copy. It weighs on its endpoint as a stream does: it counts among what lasts, its silence proves
 * nothing, and nothing is learned from its end. No breaker, outlier, guard, budget, limit or rollout hears of it: what
 * becomes of copies is not to be the fault of calls.
 */
class CopyAttempt extends Attempt {
  protected override take(
    call: CallState,
    connection: ChannelConnection,
    pool: Pool,
    tier: number,
    isPanic: boolean,
  ): void {
    this.time = this.context.endpoints.methods.of(call.method);
    this.isStream = true;
    this.lasts = true;
    this.assign(call, connection, pool, tier, isPanic);
  }

  protected override begin(): void {
    const { call, context, endpoint } = this;
    const { endpoints } = context;
    const nowMs = context.clock.now();
    this.isGivenUp = false;
    this.isEndedForPings = false;
    call.tried = [endpoint];
    call.attempts += 1;
    call.inFlight += 1;
    endpoints.nowMs = nowMs;
    if (endpoints.isResting) endpoints.wake(nowMs);
    endpoint.load.attemptStarted(this, nowMs);
  }

  protected override respond(): void {
    this.responded = true;
  }

  protected override settle(code: number, details: string, ending: AttemptEnding): void {
    const { call, context, endpoint } = this;
    const nowMs = context.clock.now();
    this.code = code;
    this.details = details;
    context.endpoints.nowMs = nowMs;
    endpoint.load.attemptEnded(this, nowMs, 'neutral');
    call.inFlight -= 1;
    call.lastEnding = ending;
    call.lastCode = code;
  }
}

/** Attempts of copies, beside those of calls. */
export class CopyAttemptPool extends AttemptPool {
  protected override make(): Attempt {
    return new CopyAttempt(this);
  }
}
