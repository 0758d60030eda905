import { statusNameOf } from '../../base/status-names';
import type { StatusName } from '../../policy/document';

/**
 * What an attempt says of the endpoint that had it. `silent`: a failure that brought nothing back at all. `less`: its
 * caller got a failure, and the endpoint is alive and wants fewer calls. `neutral`: nothing was learnt, nothing is
 * recorded.
 */
export type Outcome = 'success' | 'failure' | 'silent' | 'less' | 'neutral';

/**
 * Who ended an attempt. `peer`: the server, or the stream or the connection broke. `above`: grpc-js or the caller,
 * while the peer had not ended it: a deadline, a cancellation, an answer that could not be read. `us`: Graylane, for
 * reasons that are not the endpoint's.
 */
export type EndedBy = 'peer' | 'above' | 'us';

/** How one attempt ended. Read once, kept nowhere. */
export interface AttemptFacts {
  /** gRPC status code as a number, and its details as grpc-js words them. */
  readonly code: number;
  readonly details: string;
  readonly endedBy: EndedBy;
  /**
   * For how long the server asks for less, in milliseconds; negative: not to be tried again. Undefined: it does not
   * say.
   */
  readonly pushbackMs: number | undefined;
  /** HTTP/2 code of the stream's reset, where the status was made from it. */
  readonly rstCode: number | undefined;
  /** The call has one response at most, as far as is known. */
  readonly isSingleResponse: boolean;
  /** It ended OK without the one message that the method's kind asks for, or with a second one. */
  readonly isAnswerUnusable: boolean;
  /** The response says that it is no gRPC: another content type. */
  readonly isForeign: boolean;
  /** Its request had more header fields than servers are bound to take. */
  readonly isRequestOversized: boolean;
  /**
   * A message, or, where the call may have many, headers arrived. Headers alone are no answer to a call that has one.
   */
  readonly responded: boolean;
  /** Milliseconds from the attempt's start to its end. */
  readonly elapsedMs: number;
  /**
   * Milliseconds from its start to the first response, or to its end where none came. Being slow is judged by this, as
   * a stream that lives for an hour is not slow.
   */
  readonly latencyMs: number;
  /** The usual latency in milliseconds; 0 when unknown. */
  readonly usualMs: number;
  /** Our own event loop was stalled when the attempt ended. */
  readonly isStalled: boolean;
  /** Our own event loop was so busy that an attempt which took this long may have ended for that. */
  readonly isLoopBusy: boolean;
  /** We ended it ourselves, since it had not been answered in the time that we, or the policy, gave it. */
  readonly isGivenUp: boolean;
  /**
   * The server ended its connection since our keepalive pings came too often: our doing, whatever the endpoint is like.
   */
  readonly isEndedForPings: boolean;
  /**
   * Its connection went silent while the endpoint answers on another: what got no answer there says nothing of the
   * endpoint.
   */
  readonly isConnectionReplaced: boolean;
}

/** What of a BreakerPlan decides what counts. */
export interface OutcomeRules {
  readonly failureStatusCodes: ReadonlySet<StatusName>;
  readonly slowCallMs: number | undefined;
}

const OK = 0;
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const INTERNAL = 13;

/** A deadline shorter than this says more about the caller than about the endpoint. */
const MIN_DEADLINE_MS = 20;
const USUAL_FACTOR = 2;
/** A caller who cancels sooner may just have changed their mind. */
const MIN_CANCEL_MS = 100;
const CANCEL_FACTOR = 5;

/** How grpc-js ends a hedge that lost. */
const DISCARDED = 'Discarded in favor of';
/**
 * How grpc-js ends a call whose connection broke while it wrote ("... triggered by internal client error: write
 * EPIPE").
 */
const BROKEN_WRITE = 'triggered by internal client error';
/** How grpc-js words the status that it makes of an HTTP status. */
const HTTP_STATUS = 'Received HTTP status code';
/**
 * How grpc-js words the ends of calls whose answer it cannot use. It makes them above the channel, or in its filters.
 */
const UNUSABLE = ['Response message parsing error', 'Failed to decompress', 'Too many responses received'];
/**
 * Messages above a limit, in the words of grpc-js, grpc-go, grpc-java and C-core. Whichever side's limit it is: the
 * message has that size wherever it is sent.
 */
const TOO_LARGE = /message larger than max|size larger than|message exceeds maximum size|message length .* exceeds/i;

/** Called when an attempt ends. Pure, allocates nothing. */
export function classifyAttempt(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (facts.isStalled || facts.isEndedForPings) return 'neutral';
  if (facts.isConnectionReplaced && facts.code !== OK) return 'neutral';
  if (facts.isGivenUp) return isTooEarly(facts) ? 'neutral' : facts.responded ? 'failure' : 'silent';
  if (facts.endedBy === 'us') return 'neutral';
  if (facts.code === DEADLINE_EXCEEDED) return classifyDeadline(facts, rules);
  return facts.endedBy === 'above' ? classifyFromAbove(facts, rules) : classifyFromPeer(facts, rules);
}

/**
 * grpc-js ended the call for an answer that it could not use: it makes such a status after the attempt has ended well.
 */
export function isUnusableAnswer(details: string): boolean {
  return UNUSABLE.some((words) => details.startsWith(words));
}

function classifyFromAbove(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (facts.code === CANCELLED) return classifyCancelled(facts, rules);
  // The rest is not the endpoint's doing: limits of the client, requests that cannot be serialized, interceptors.
  return isUnusableAnswer(facts.details) ? 'failure' : 'neutral';
}

/**
 * The caller, or a better hedge, lost interest. A hedge that lost might have answered in the next millisecond. A caller
 * who has waited much longer than usual for a single response, and got nothing, ends the call as a deadline would.
 */
function classifyCancelled(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (facts.details.startsWith(DISCARDED)) return 'neutral';
  if (!facts.isSingleResponse || facts.responded || facts.usualMs === 0) return 'neutral';
  if (facts.isLoopBusy || !rules.failureStatusCodes.has('DEADLINE_EXCEEDED')) return 'neutral';
  return facts.elapsedMs > Math.max(MIN_CANCEL_MS, CANCEL_FACTOR * facts.usualMs) ? 'silent' : 'neutral';
}

/** A deadline of a stream is its owner's plan: subscriptions end by it, with or without an event. */
function classifyDeadline(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  if (!rules.failureStatusCodes.has('DEADLINE_EXCEEDED')) return 'neutral';
  if (!facts.isSingleResponse || isTooEarly(facts)) return 'neutral';
  return facts.responded ? 'failure' : 'silent';
}

function isTooEarly({ elapsedMs, usualMs, isLoopBusy }: AttemptFacts): boolean {
  return isLoopBusy || elapsedMs < MIN_DEADLINE_MS || elapsedMs <= USUAL_FACTOR * usualMs;
}

function classifyFromPeer(facts: AttemptFacts, rules: OutcomeRules): Outcome {
  const { code } = facts;
  if (code === OK) return facts.isAnswerUnusable || isSlow(facts, rules) ? 'failure' : 'success';
  // Nobody but its caller may cancel a call.
  if (code === CANCELLED) return 'failure';
  if (facts.isRequestOversized) return 'neutral';
  if (code === RESOURCE_EXHAUSTED && TOO_LARGE.test(facts.details)) return facts.isForeign ? 'failure' : 'neutral';
  if (isNoAnswer(facts)) return 'failure';
  if (isLess(facts)) return 'less';
  if (isFailure(facts, rules)) return 'failure';
  return isSlow(facts, rules) ? 'failure' : 'success';
}

/**
 * The server wants fewer calls: RESOURCE_EXHAUSTED, or any failure with the time after which it may be tried again.
 * That a call is not to be tried again at all says nothing of the server's load.
 */
function isLess({ code, pushbackMs }: AttemptFacts): boolean {
  return code === RESOURCE_EXHAUSTED || (pushbackMs !== undefined && pushbackMs >= 0);
}

/** The status was made from what is no answer of a gRPC server, so that it is no matter of the codes that count. */
function isNoAnswer({ rstCode, details, isForeign }: AttemptFacts): boolean {
  return isForeign || rstCode !== undefined || details.startsWith(HTTP_STATUS);
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
