import { describe, expect, it } from 'vitest';
import { type AttemptFacts, classifyAttempt, type Outcome, type OutcomeRules } from '../../src/breaker/outcome';
import { DEFAULT_BREAKER } from '../../src/policy/defaults';

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
  const whole = { code: OK, details: '', received: false, elapsedMs, latencyMs: elapsedMs, usualMs: 0 };
  return classifyAttempt(
    { ...whole, isStalled: false, isGivenUp: false, isEndedForPings: false, winnerMs: undefined, ...rest },
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
    expect(outcome({ ...givenUp, received: true })).toBe('failure');
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
    ['RESOURCE_EXHAUSTED', 8, 'failure'],
    ['FAILED_PRECONDITION', 9, 'success'],
    ['ABORTED', 10, 'success'],
    ['OUT_OF_RANGE', 11, 'success'],
    ['UNIMPLEMENTED', 12, 'success'],
    ['INTERNAL', 13, 'failure'],
    ['UNAVAILABLE', 14, 'failure'],
    ['DATA_LOSS', 15, 'failure'],
    ['UNAUTHENTICATED', 16, 'success'],
  ])('%s', (_name, code, expected) => {
    expect(outcome({ code, received: true })).toBe(expected);
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

describe('a cancelled attempt', () => {
  it('is the business of its caller', () => {
    expect(outcome({ code: CANCELLED, details: 'Cancelled on client', elapsedMs: 60_000 })).toBe('neutral');
    const counted = { failureStatusCodes: new Set(['CANCELLED'] as const) };
    expect(outcome({ code: CANCELLED, details: 'Cancelled on client', received: true }, counted)).toBe('neutral');
    const withServed = 'Cancelled on client: the call being served, /a/B, was cancelled, or its client is gone';
    expect(outcome({ code: CANCELLED, details: withServed, received: true }, counted)).toBe('neutral');
    expect(outcome({ code: CANCELLED, details: 'shutting down', received: true }, counted)).toBe('failure');
  });

  it('that lost to a hedge is slow only beyond the limit, and only when it was slower', () => {
    const slow = { slowCallMs: 100 };
    const lost = { code: CANCELLED, details: LOST_HEDGE, elapsedMs: 150 };
    expect(outcome({ ...lost, winnerMs: 10 }, slow)).toBe('failure');
    expect(outcome({ ...lost, winnerMs: 10 })).toBe('neutral');
    expect(outcome({ ...lost, winnerMs: 200 }, slow)).toBe('neutral');
    expect(outcome(lost, slow)).toBe('neutral');
    expect(outcome({ ...lost, elapsedMs: 60, winnerMs: 10 }, slow)).toBe('neutral');
  });
});

describe('a deadline', () => {
  const deadline = { code: DEADLINE, details: 'Deadline exceeded after 0.5s' };

  it('with nothing received is silent, with something received a failure', () => {
    expect(outcome({ ...deadline, elapsedMs: 500 })).toBe('silent');
    expect(outcome({ ...deadline, elapsedMs: 500, received: true })).toBe('failure');
  });

  it('that was too short to be met says nothing', () => {
    expect(outcome({ ...deadline, elapsedMs: 19.9 })).toBe('neutral');
    expect(outcome({ ...deadline, elapsedMs: 20 })).toBe('silent');
    expect(outcome({ ...deadline, elapsedMs: 100, usualMs: 50 })).toBe('neutral');
    expect(outcome({ ...deadline, elapsedMs: 101, usualMs: 50 })).toBe('silent');
  });
});

describe('a slow call', () => {
  it('is a failure from the limit on, whatever it answered', () => {
    expect(outcome({ elapsedMs: 99.9 }, { slowCallMs: 100 })).toBe('success');
    expect(outcome({ elapsedMs: 100 }, { slowCallMs: 100 })).toBe('failure');
    expect(outcome({ code: NOT_FOUND, elapsedMs: 100 }, { slowCallMs: 100 })).toBe('failure');
  });

  it('is not a stream that lives long but answered soon', () => {
    expect(outcome({ elapsedMs: 3_600_000, latencyMs: 3, received: true }, { slowCallMs: 100 })).toBe('success');
  });
});

it.each([OK, CANCELLED, DEADLINE, INTERNAL, UNAVAILABLE])('nothing counts while our own loop stalls: %i', (code) => {
  expect(outcome({ code, elapsedMs: 5_000, isStalled: true }, { slowCallMs: 1 })).toBe('neutral');
});
