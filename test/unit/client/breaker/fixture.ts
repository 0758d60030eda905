import type { BreakerContext } from '../../../../src/client/breaker/breaker';
import { Breaker } from '../../../../src/client/breaker/breaker';
import type { BreakerRules } from '../../../../src/client/breaker/opening-rules';
import type { Permit } from '../../../../src/client/breaker/probe-gate';
import { type ProbeGate, SingleProbe } from '../../../../src/client/breaker/probe-gate';
import type { BreakerEvent } from '../../../../src/client/breaker/view';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import { DEFAULT_BREAKER } from '../../../../src/policy/defaults';
import type { BreakerPlan } from '../../../../src/policy/plan';

export const LEASE_MS = 5_000;

/** Its delays are those of the plan: no jitter. */
export const noJitter = (): number => 0;

export function plan(changes: Partial<BreakerPlan> = {}): BreakerPlan {
  return { ...DEFAULT_BREAKER, ...changes };
}

export interface Rig {
  readonly clock: FakeClock;
  readonly breaker: Breaker;
  readonly events: BreakerEvent[];
  readonly listenerErrors: unknown[];
  /** An attempt that begins now. */
  begin(): Permit;
  success(permit?: Permit): void;
  failure(permit?: Permit): void;
  silent(permit?: Permit): void;
}

export function rig(
  rules: BreakerRules = plan(),
  options: { readonly gate?: ProbeGate; readonly random?: () => number } = {},
): Rig {
  const clock = new FakeClock();
  const events: BreakerEvent[] = [];
  const listenerErrors: unknown[] = [];
  const deps: BreakerContext = {
    clock,
    random: options.random ?? noJitter,
    onChange: (_breaker, event) => events.push(event),
    onFirstCount: () => undefined,
    onListenerError: (error) => listenerErrors.push(error),
  };
  const identity = { key: 'dc1/10.0.0.1:80', level: 'endpoint', name: 'it', group: 'tests' } as const;
  const breaker = new Breaker(identity, rules, options.gate ?? new SingleProbe(LEASE_MS), deps);
  const begin = (): Permit => breaker.begin(clock.now());
  const record =
    (outcome: 'success' | 'failure' | 'silent') =>
    (permit: Permit = begin()): void =>
      breaker.record(permit, outcome, clock.now());
  return {
    clock,
    breaker,
    events,
    listenerErrors,
    begin,
    success: record('success'),
    failure: record('failure'),
    silent: record('silent'),
  };
}

/** A breaker that has just opened, by five failures in a row. */
export function opened(rules: BreakerRules = plan(), options: Parameters<typeof rig>[1] = {}): Rig {
  const it = rig(rules, options);
  for (let time = 0; time < 5; time += 1) it.failure();
  return it;
}

export function halfOpened(rules: BreakerRules = plan(), options: Parameters<typeof rig>[1] = {}): Rig {
  const it = opened(rules, options);
  it.clock.advance(rules.resetTimeoutMs);
  return it;
}
