import { seededRandom } from '../../../../src/base/random';
import { compilePolicy } from '../../../../src/policy/compile';
import type { EnvironmentOverride } from '../../../../src/policy/override';
import type { Decision, ForceSelector, Plan } from '../../../../src/policy/plan';
import type { RoutingEnvironment, RoutingInput, RoutingOutcome } from '../../../../src/policy/routing/call';
import { decide } from '../../../../src/policy/routing/decide';
import { labelsOf } from '../../../../src/policy/routing/labels';

export const METHOD = '/shop.v1.Payments/Charge';

/** 2026-06-01. */
export const NOW_MS: number = Date.UTC(2026, 5, 1);

export function planOf(document: object, override?: EnvironmentOverride): Plan {
  const options = override === undefined ? {} : { override };
  return compilePolicy(
    { content: { schema: 1, service: 'payments', ...document }, format: 'object' },
    { service: 'payments', origin: 'inline', ...options },
  );
}

export interface Call {
  readonly method?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly force?: ForceSelector;
  readonly stickyKey?: string;
}

export const inputOf = ({ method = METHOD, labels = {}, force, stickyKey }: Call = {}): RoutingInput => ({
  method,
  labels: labelsOf(labels),
  force,
  stickyKey,
});

export function environmentOf(seed = 1, wallMs = NOW_MS): RoutingEnvironment {
  const idle = { cancel() {} };
  return {
    random: seededRandom(seed),
    clock: { now: () => 0, wallNow: () => wallMs, setTimer: () => idle, setRepeating: () => idle },
  };
}

export const newOutcome = (): RoutingOutcome => ({ sticky: true, bucket: 1, hash: 1 });

export function route(plan: Plan, call: Call = {}, env: RoutingEnvironment = environmentOf()): Decision {
  return decide(plan, inputOf(call), newOutcome(), env);
}

export const TWO_SUBSETS = {
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
} as const;
