import { expect, it } from 'vitest';
import { seededRandom } from '../../../../../src/base/random';
import { AttemptLink } from '../../../../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../../../../src/client/balancer/attempts/methods';
import { probeLimitMs } from '../../../../../src/client/balancer/probes/probe-limit';
import type { CallState } from '../../../../../src/client/grpc/call-state';
import { endpointAt } from '../connections';
import { openPool } from '../open-pool';

/** How long a probe of the first of three may take, where answers usually take so long. */
function limit(ownMs: number, peersMs: number, call: Partial<CallState> = {}): number | undefined {
  const knownMs = [ownMs, peersMs].filter((usualMs) => usualMs > 0);
  const time = new MethodTime(knownMs.length === 0 ? 0 : Math.min(...knownMs));
  const endpoints = [0, 1, 2].map((index) => endpointAt(index));
  for (const [index, { load }] of endpoints.entries()) {
    const usualMs = index === 0 ? ownMs : peersMs;
    if (usualMs === 0) continue;
    const answered = new AttemptLink(time);
    load.attemptStarted(answered, 0);
    for (let nowMs = 100; nowMs < usualMs; nowMs += 100) load.sweep(nowMs);
    load.attemptEnded(answered, usualMs, 'success');
  }
  const { pool } = openPool(endpoints, seededRandom(1));
  const facts = { canTryAgain: true, kind: 'unary', ...call } as CallState;
  return probeLimitMs(facts, time, endpoints[0] ?? endpointAt(0), pool);
}

it.each<[ownMs: number, peersMs: number, limitMs: number | undefined]>([
  [1, 1, 100],
  [50, 50, 500],
  [200, 200, 1_000],
  [1_500, 1_500, 4_500],
  // An instance that was quick while it failed, or has never answered, among slow ones.
  [20, 1_500, 4_500],
  [0, 1_500, 4_500],
  [1_500, 0, 4_500],
  // Nobody has answered: quick cannot be told from slow.
  [0, 0, undefined],
  // What usually takes so long is not cut off.
  [10_000, 10_000, undefined],
])('an endpoint at %i ms among peers at %i ms is waited for %s ms', (ownMs, peersMs, limitMs) => {
  expect(limit(ownMs, peersMs)).toBe(limitMs);
});

it.each<Partial<CallState>>([
  { canTryAgain: false },
  { kind: undefined },
  { kind: 'clientStream' },
  { kind: 'serverStream' },
  { kind: 'bidi' },
])('a call with %o is never shortened', (call) => {
  expect(limit(1, 1, call)).toBeUndefined();
});
