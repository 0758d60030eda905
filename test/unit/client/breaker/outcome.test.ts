import { describe, expect, it } from 'vitest';
import {
  type AttemptFacts,
  classifyAttempt,
  type Outcome,
  type OutcomeRules,
} from '../../../../src/client/breaker/outcome';
import { DEFAULT_BREAKER } from '../../../../src/policy/defaults';

const OK = 0;
const CANCELLED = 1;
const DEADLINE = 4;
const NOT_FOUND = 5;
const INTERNAL = 13;
const UNAVAILABLE = 14;

const EPIPE = 'Received RST_STREAM with code 2 triggered by internal client error: write EPIPE';
const LOST_HEDGE = 'Discarded in favor of other hedged attempt';

function outcome(facts: Partial<AttemptFacts>, rules: Partial<OutcomeRules> = {}): Outcome {
  const { elapsedMs = 5, ...rest } = facts;
  const whole: AttemptFacts = {
    code: OK,
    details: '',
    endedBy: 'peer',
    pushbackMs: undefined,
    rstCode: undefined,
    isSingleResponse: true,
    isAnswerUnusable: false,
    isForeign: false,
    isRequestOversized: false,
    responded: false,
    elapsedMs,
    latencyMs: elapsedMs,
    usualMs: 0,
    isStalled: false,
    isLoopBusy: false,
    isGivenUp: false,
    isEndedForPings: false,
    isConnectionReplaced: false,
  };
  return classifyAttempt(
    { ...whole, ...rest },
    { failureStatusCodes: DEFAULT_BREAKER.failureStatusCodes, slowCallMs: undefined, ...rules },
  );
}

describe('an attempt that we gave up', () => {
  const givenUp = { code: UNAVAILABLE, isGivenUp: true, elapsedMs: 100 } as const;

  it('was silent, whatever counts as a failure', () => {
    expect(outcome(givenUp)).toBe('silent');
    expect(outcome(givenUp, { failureStatusCodes: new Set() })).toBe('silent');
  });

  it('failed where something had come', () => {
    expect(outcome({ ...givenUp, responded: true })).toBe('failure');
  });

  it('says nothing when it was our own event loop that stalled', () => {
    expect(outcome({ ...givenUp, isStalled: true })).toBe('neutral');
  });

  it('says nothing when it had no more time than answers usually take', () => {
    expect(outcome({ ...givenUp, elapsedMs: 15 })).toBe('neutral');
    expect(outcome({ ...givenUp, usualMs: 60 })).toBe('neutral');
  });
});

describe('what a status says of the endpoint', () => {
  it.each<[string, number, Outcome]>([
    ['OK', 0, 'success'],
    ['UNKNOWN', 2, 'failure'],
    ['INVALID_ARGUMENT', 3, 'success'],
    ['NOT_FOUND', 5, 'success'],
    ['ALREADY_EXISTS', 6, 'success'],
    ['PERMISSION_DENIED', 7, 'success'],
    ['RESOURCE_EXHAUSTED', 8, 'less'],
    ['FAILED_PRECONDITION', 9, 'success'],
    ['ABORTED', 10, 'success'],
    ['OUT_OF_RANGE', 11, 'success'],
    ['UNIMPLEMENTED', 12, 'success'],
    ['INTERNAL', 13, 'failure'],
    ['UNAVAILABLE', 14, 'failure'],
    ['DATA_LOSS', 15, 'failure'],
    ['UNAUTHENTICATED', 16, 'success'],
  ])('%s', (_name, code, expected) => {
    expect(outcome({ code, responded: true })).toBe(expected);
  });

  it('is what the policy says it is', () => {
    const onlyNotFound = { failureStatusCodes: new Set(['NOT_FOUND'] as const) };
    expect(outcome({ code: NOT_FOUND }, onlyNotFound)).toBe('failure');
    expect(outcome({ code: UNAVAILABLE }, onlyNotFound)).toBe('success');
    expect(outcome({ code: DEADLINE, elapsedMs: 500 }, onlyNotFound)).toBe('neutral');
  });

  it('takes a write to a dead peer for the lost connection that it is', () => {
    expect(outcome({ code: INTERNAL, details: EPIPE })).toBe('failure');
    const withoutInternal = { failureStatusCodes: new Set(['UNAVAILABLE'] as const) };
    expect(outcome({ code: INTERNAL, details: EPIPE }, withoutInternal)).toBe('failure');
    expect(outcome({ code: INTERNAL, details: 'handler threw' }, withoutInternal)).toBe('success');
  });
});

describe('a server that wants fewer calls', () => {
  const EXHAUSTED = 8;

  it.each([EXHAUSTED, UNAVAILABLE, INTERNAL, NOT_FOUND])('says so with a pushback, by whatever code: %i', (code) => {
    for (const pushbackMs of [0, 1_000]) expect(outcome({ code, pushbackMs })).toBe('less');
    expect(outcome({ code, pushbackMs: 10 }, { failureStatusCodes: new Set() })).toBe('less');
  });

  it('is a matter of load, which a call that is not to be tried again is not', () => {
    expect(outcome({ code: UNAVAILABLE, pushbackMs: -1 })).toBe('failure');
    expect(outcome({ code: NOT_FOUND, pushbackMs: -1 })).toBe('success');
    expect(outcome({ code: EXHAUSTED, pushbackMs: -1 })).toBe('less');
  });

  it('is what its peer says, and nothing else', () => {
    const exhausted = { code: EXHAUSTED, details: 'too much' } as const;
    expect(outcome({ ...exhausted, isForeign: true })).toBe('failure');
    expect(outcome({ ...exhausted, rstCode: 11 })).toBe('failure');
    expect(outcome({ ...exhausted, endedBy: 'above' })).toBe('neutral');
    expect(outcome({ ...exhausted, isStalled: true })).toBe('neutral');
    expect(outcome({ ...exhausted, isEndedForPings: true })).toBe('neutral');
    expect(outcome({ ...exhausted, isRequestOversized: true })).toBe('neutral');
    expect(outcome({ ...exhausted, details: 'Received message larger than max (5 vs 4)' })).toBe('neutral');
    expect(outcome({ code: CANCELLED, pushbackMs: 10 })).toBe('failure');
    expect(outcome({ code: OK, pushbackMs: undefined })).toBe('success');
  });
});

describe('a cancelled attempt', () => {
  const cancelled = { code: CANCELLED, endedBy: 'above', details: 'Cancelled on client', usualMs: 10 } as const;

  it.each([
    'Cancelled on client',
    'Cancelled by parent call',
    'Cancelled on client: the call being served, /a/B, was cancelled, or its client is gone',
  ])('is the business of its caller, within the usual time: %s', (details) => {
    const counted = { failureStatusCodes: new Set(['CANCELLED', 'DEADLINE_EXCEEDED'] as const) };
    expect(outcome({ ...cancelled, details, elapsedMs: 100 }, counted)).toBe('neutral');
    expect(outcome({ ...cancelled, details, elapsedMs: 60_000, responded: true }, counted)).toBe('neutral');
    expect(outcome({ ...cancelled, details, elapsedMs: 60_000, isSingleResponse: false }, counted)).toBe('neutral');
  });

  it('is silent after much more than the usual time with nothing received', () => {
    expect(outcome({ ...cancelled, elapsedMs: 100.1 })).toBe('silent');
    expect(outcome({ ...cancelled, elapsedMs: 500, usualMs: 100 })).toBe('neutral');
    expect(outcome({ ...cancelled, elapsedMs: 500.1, usualMs: 100 })).toBe('silent');
  });

  it('says nothing where nobody knows what is usual, or deadlines do not count', () => {
    expect(outcome({ ...cancelled, elapsedMs: 60_000, usualMs: 0 })).toBe('neutral');
    const rules = { failureStatusCodes: new Set(['CANCELLED'] as const) };
    expect(outcome({ ...cancelled, elapsedMs: 60_000 }, rules)).toBe('neutral');
  });

  it.each([
    ['by status', undefined, 'cancelled upstream'],
    ['by status, in the words of a client', undefined, 'Cancelled on client'],
    ['by RST_STREAM', 8, 'Call cancelled'],
  ])('is a failure where the peer cancelled it %s', (_how, rstCode, details) => {
    for (const isSingleResponse of [true, false])
      for (const responded of [true, false])
        expect(outcome({ code: CANCELLED, details, rstCode, isSingleResponse, responded })).toBe('failure');
  });

  it('that lost to a hedge says nothing', () => {
    const lost = { code: CANCELLED, endedBy: 'above', details: LOST_HEDGE, elapsedMs: 150, usualMs: 1 } as const;
    expect(outcome(lost, { slowCallMs: 100 })).toBe('neutral');
  });
});

describe('a deadline', () => {
  const deadline = { code: DEADLINE, details: 'Deadline exceeded after 0.5s' };

  it('with nothing received is silent, with something received a failure', () => {
    expect(outcome({ ...deadline, elapsedMs: 500 })).toBe('silent');
    expect(outcome({ ...deadline, elapsedMs: 500, responded: true })).toBe('failure');
  });

  it('that was too short to be met says nothing', () => {
    expect(outcome({ ...deadline, elapsedMs: 19.9 })).toBe('neutral');
    expect(outcome({ ...deadline, elapsedMs: 20 })).toBe('silent');
    expect(outcome({ ...deadline, elapsedMs: 100, usualMs: 50 })).toBe('neutral');
    expect(outcome({ ...deadline, elapsedMs: 101, usualMs: 50 })).toBe('silent');
  });
});

describe('a deadline by kind of call and by who told it', () => {
  const late = { code: DEADLINE, elapsedMs: 500, usualMs: 10 };
  it.each([
    ['one response, nothing received', { isSingleResponse: true }, 'silent'],
    ['one response, something received', { isSingleResponse: true, responded: true }, 'failure'],
    ['a stream, nothing received', { isSingleResponse: false }, 'neutral'],
    ['a stream, something received', { isSingleResponse: false, responded: true }, 'neutral'],
  ] as const)('%s', (_what, facts, expected) => {
    for (const endedBy of ['above', 'peer'] as const) expect(outcome({ ...late, endedBy, ...facts })).toBe(expected);
  });
});

describe('what is no answer of a gRPC server', () => {
  it.each([
    ['HTTP 404', { code: 12, details: 'Received HTTP status code 404' }],
    ['HTTP 401', { code: 16, details: 'Received HTTP status code 401' }],
    ['HTTP 403', { code: 7, details: 'Received HTTP status code 403' }],
    ['RST 12', { code: 7, details: 'Protocol not secure enough', rstCode: 12 }],
    ['RST 0', { code: INTERNAL, details: 'Received RST_STREAM with code 0', rstCode: 0 }],
    ['RST 11', { code: 8, details: 'Bandwidth exhausted or memory limit exceeded', rstCode: 11 }],
    ['a page', { code: 8, details: 'Received message larger than max (1752460652 vs 4194304)', isForeign: true }],
    ['OK without its message', { code: OK, isAnswerUnusable: true }],
    [
      'a message that cannot be read',
      { code: INTERNAL, endedBy: 'above', details: 'Response message parsing error: x' },
    ],
    [
      'a body that is no gzip',
      { code: INTERNAL, endedBy: 'above', details: 'Failed to decompress gzip-encoded message' },
    ],
    ['two answers', { code: 12, endedBy: 'above', details: 'Too many responses received' }],
  ] as const)('%s is a failure, whatever codes count', (_what, facts) => {
    expect(outcome(facts)).toBe('failure');
    expect(outcome(facts, { failureStatusCodes: new Set() })).toBe('failure');
  });
});

describe('what is the doing of the client, or of the request', () => {
  it.each([
    ['the limit of the client, grpc-js', { code: 8, details: 'Received message larger than max (5000 vs 1000)' }],
    ['the limit of a server in Go', { code: 8, details: 'grpc: received message larger than max (5000 vs. 1000)' }],
    ['the limit of a server in Java', { code: 8, details: 'gRPC message exceeds maximum size 1000: 5000' }],
    ['what unpacks to too much', { code: 8, details: 'Received message that decompresses to a size larger than 1000' }],
    ['too many header fields', { code: 8, rstCode: 11, isRequestOversized: true }],
    [
      'too large to be sent',
      { code: 8, endedBy: 'above', details: 'Attempted to send message with a size larger than 9' },
    ],
    [
      'what cannot be written',
      { code: INTERNAL, endedBy: 'above', details: 'Request message serialization failure: x' },
    ],
    ['an interceptor of the caller', { code: UNAVAILABLE, endedBy: 'above', details: 'not today' }],
    ['a connection that we drained', { code: UNAVAILABLE, endedBy: 'us', details: 'drained' }],
  ] as const)('%s says nothing', (_what, facts) => {
    expect(outcome(facts)).toBe('neutral');
  });
});

it('a deadline, a long wait or an attempt given up says nothing while our own loop is busy', () => {
  const busy = { elapsedMs: 500, usualMs: 10, isLoopBusy: true };
  expect(outcome({ ...busy, code: DEADLINE })).toBe('neutral');
  expect(outcome({ ...busy, code: CANCELLED, endedBy: 'above', details: 'Cancelled on client' })).toBe('neutral');
  expect(outcome({ ...busy, code: UNAVAILABLE, isGivenUp: true })).toBe('neutral');
  expect(outcome({ ...busy, code: UNAVAILABLE })).toBe('failure');
  expect(outcome({ ...busy, code: OK })).toBe('success');
});

describe('a slow call', () => {
  it('is a failure from the limit on, whatever it answered', () => {
    expect(outcome({ elapsedMs: 99.9 }, { slowCallMs: 100 })).toBe('success');
    expect(outcome({ elapsedMs: 100 }, { slowCallMs: 100 })).toBe('failure');
    expect(outcome({ code: NOT_FOUND, elapsedMs: 100 }, { slowCallMs: 100 })).toBe('failure');
  });

  it('is not a stream that lives long but answered soon', () => {
    expect(outcome({ elapsedMs: 3_600_000, latencyMs: 3, responded: true }, { slowCallMs: 100 })).toBe('success');
  });
});

it.each([OK, CANCELLED, DEADLINE, INTERNAL, UNAVAILABLE])('nothing counts while our own loop stalls: %i', (code) => {
  expect(outcome({ code, elapsedMs: 5_000, isStalled: true }, { slowCallMs: 1 })).toBe('neutral');
});
