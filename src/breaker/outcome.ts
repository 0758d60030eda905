import type { StatusName } from '../policy/document';
import { statusNameOf } from '../policy/status-names';

/**
 * What an attempt says of the endpoint that had it. `silent`: a failure that brought nothing back at all. `neutral`:
 * nothing was learnt, nothing is recorded.
 */
export type Outcome = 'success' | 'failure' | 'silent' | 'neutral';

/** How one attempt ended. Read once, kept nowhere: the caller may hand in the same object each time. */
export interface AttemptFacts {
  /** gRPC status code as a number, and its details as grpc-js words them. */
  readonly code: number;
  readonly details: string;
  /** Headers, a message or the server's own status arrived. */
  readonly received: boolean;
  /** Milliseconds from the attempt's start to its end. */
  readonly elapsedMs: number;
  /**
   * Milliseconds from its start to the first response, or to its end where none came. Being slow is judged by this, as a stream
   * that lives for an hour is not slow.
   */
  readonly latencyMs: number;
  /** The endpoint's usual latency in milliseconds; 0 when unknown. */
  readonly usualMs: number;
  /** Our own event loop was stalled when the attempt ended. */
  readonly isStalled: boolean;
  /** We ended it ourselves, since it had not been answered in the time that we, or the policy, gave it. */
  readonly isGivenUp: boolean;
  /** The server ended its connection since our keepalive pings came too often: our doing, whatever the endpoint is like. */
  readonly isEndedForPings: boolean;
  /** For a hedge that lost: how long the winner took, in milliseconds. Undefined when unknown, and for everything else. */
  readonly winnerMs: number | undefined;
}

/** What of a BreakerPlan decides what counts. */
export interface OutcomeRules {
  readonly failureStatusCodes: ReadonlySet<StatusName>;
  readonly slowCallMs: number | undefined;
}

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const INTERNAL = 13;

/** A deadline shorter than this says more about the caller than about the endpoint. */
const MIN_DEADLINE_MS = 20;
const USUAL_FACTOR = 2;

/** How grpc-js ends a hedge that lost. */
const DISCARDED = 'Discarded in favor of';
/** How grpc-js ends a call whose connection broke while it wrote ("... triggered by internal client error: write EPIPE"). */
const BROKEN_WRITE = 'triggered by internal client error';

/** Called when an attempt ends. Pure, allocates nothing. */
export function classifyAttempt(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (facts.isStalled || facts.isEndedForPings) return 'neutral';
  if (facts.isGivenUp) return isTooEarly(facts) ? 'neutral' : facts.received ? 'failure' : 'silent';
  switch (facts.code) {
    case CANCELLED:
      return classifyCancelled(facts, rules);
    case DEADLINE_EXCEEDED:
      return classifyDeadline(facts, rules);
    default:
      if (isFailure(facts, rules)) return 'failure';
      return isSlow(facts, rules) ? 'failure' : 'success';
  }
}

/**
 * The caller, or a better hedge, lost interest: no verdict. A losing hedge is slow when it had taken `slowCallMs` and was
 * out longer than the winner; below that limit it might have answered in the next millisecond.
 */
function classifyCancelled(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (!facts.details.startsWith(DISCARDED)) return isServersOwnCancel(facts, rules) ? 'failure' : 'neutral';
  const isSlower = facts.winnerMs !== undefined && facts.elapsedMs > facts.winnerMs;
  return isSlower && isSlow(facts, rules) ? 'failure' : 'neutral';
}

function isServersOwnCancel(facts: AttemptFacts, rules: OutcomeRules): boolean {
  return (
    facts.received && !facts.details.startsWith('Cancelled on client') && rules.failureStatusCodes.has('CANCELLED')
  );
}

function classifyDeadline(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (!rules.failureStatusCodes.has('DEADLINE_EXCEEDED')) return 'neutral';
  if (isTooEarly(facts)) return 'neutral';
  return facts.received ? 'failure' : 'silent';
}

function isTooEarly({ elapsedMs, usualMs }: AttemptFacts): boolean {
  return elapsedMs < MIN_DEADLINE_MS || elapsedMs <= USUAL_FACTOR * usualMs;
}

function isFailure(facts: AttemptFacts, rules: OutcomeRules): boolean {
  const name = statusNameOf(facts.code);
  if (name === undefined) return false;
  if (rules.failureStatusCodes.has(name)) return true;
  // The connection broke; grpc-js says UNAVAILABLE or INTERNAL for it, as the write or the read noticed first.
  const isBrokenWrite = facts.code === INTERNAL && facts.details.includes(BROKEN_WRITE);
  return isBrokenWrite && rules.failureStatusCodes.has('UNAVAILABLE');
}

function isSlow(facts: AttemptFacts, rules: OutcomeRules): boolean {
  return rules.slowCallMs !== undefined && facts.latencyMs >= rules.slowCallMs;
}
