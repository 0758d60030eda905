import { type Clock, systemClock } from '../../base/clock';
import { defined } from '../../base/defined';
import { compilePolicy } from '../../policy/compile';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { explainRouting, type RoutingExplanation } from '../../policy/routing/explain';
import type { StoredPolicy } from '../store/history';

/** A call whose way through the history is asked for. */
export interface AskedCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stickyKey?: string;
  /** Name of the service that makes it. */
  readonly caller?: string;
}

/** Where one change of the policy sent the call. */
export interface CallerStep {
  readonly number: number;
  readonly time: string;
  readonly author: string;
  readonly message: string;
  /** Undefined where the entry was no valid policy: clients went on with the one before. */
  readonly decision?: CallerDecision;
  /** The change before sent the call elsewhere. */
  readonly hasMoved: boolean;
}

interface CallerDecision {
  readonly by: string;
  readonly route: string;
  /** Where it went; of a call that goes by chance, the shares. */
  readonly to: string;
  readonly isByChance: boolean;
}

/**
 * Where each of the newest `limit` changes of a policy sent one call, newest first. Each is judged at the moment at
 * which it was written, the one in force now: an override of then counts as one in force. Lanes are not looked at. Pure.
 */
export function callerTimeline(
  { service, history }: StoredPolicy,
  call: AskedCall,
  limit: number,
  nowMs: number,
): readonly CallerStep[] {
  const steps: CallerStep[] = [];
  let last: string | undefined;
  for (const { entry } of history.slice(-limit)) {
    if (entry === undefined) continue;
    const plan = planOf(service, entry.document, call);
    const isNewest = entry === history.at(-1)?.entry;
    const decision = plan === undefined ? undefined : decide(plan, call, isNewest ? nowMs : Date.parse(entry.time));
    const { number, time, author, message } = entry;
    const hasMoved = decision !== undefined && last !== undefined && decision.to !== last;
    steps.push({ number, time, author, message, hasMoved, ...defined({ decision }) });
    last = decision?.to ?? last;
  }
  return steps.reverse();
}

/** Undefined for what is no valid policy. */
function planOf(service: string, text: string, { caller }: AskedCall): Plan | undefined {
  try {
    return compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv', ...defined({ caller }) });
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

function decide(plan: Plan, { method, labels, stickyKey }: AskedCall, atMs: number): CallerDecision {
  const clock: Clock = { ...systemClock, wallNow: () => atMs };
  const input = { method, labels: new Map(Object.entries(labels)), force: undefined, stickyKey };
  const found = explainRouting(plan, input, { random: () => 0, clock });
  const { by, route, subset } = found.decision;
  const split = splitOf(found);
  const isByChance = by === 'route' && !found.sticky && split.length > 1;
  return { by, route, to: isByChance ? split.join(', ') : subset, isByChance };
}

/** `stable 95 %`, for those that get calls. */
function splitOf({ routes }: RoutingExplanation): readonly string[] {
  const split = routes.find(({ result }) => result === 'matched')?.split ?? [];
  return split.filter(({ percent }) => percent > 0).map(({ to, percent }) => `${to} ${percent} %`);
}
