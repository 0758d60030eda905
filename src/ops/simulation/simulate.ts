import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { seededRandom } from '../../base/random';
import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import type { CallRecord } from '../../policy/routing/call-record';
import { labelsOf } from '../../policy/routing/labels';
import { Simulation, type SimulationReport } from './simulation';
import { createSyntheticCalls } from './synthetic-calls';

/** Which calls are decided, and what they are compared with. */
export interface SimulateOptions {
  /** A second policy for the same service, which gets the same calls. */
  readonly against?: PolicyDocument;
  /** Recorded calls to replay. Default: synthetic calls that reach every route. */
  readonly from?: Iterable<CallRecord>;
  /** The service whose client makes the calls, for `match.from`. Default: one that states no name. */
  readonly caller?: string;
  /** Number of synthetic calls: 1..100,000,000, default 100,000. Not with `from`. */
  readonly calls?: number;
  /** Seed of all random choices. Default 1. */
  readonly seed?: number;
  /** Number of different callers among the synthetic calls: >= 1, default a quarter of the calls, at most 100,000. */
  readonly callers?: number;
}

/** With so many callers the shares are nearly always within 0.1 % of the split; more cost memory and time. */
const MOST_CALLERS = 100_000;

/** Default number of callers for a number of calls. */
export function usualCallers(calls: number): number {
  return Math.min(MOST_CALLERS, Math.max(1, Math.ceil(calls / 4)));
}

/**
 * Sends calls through a policy and reports where they go. Uses no network and no client. Throws PolicyError or
 * INVALID_OPTION.
 */
export function simulatePolicy(policy: PolicyDocument, options: SimulateOptions = {}): SimulationReport {
  const { against, from, caller, calls = 100_000, seed = 1 } = options;
  if (!(Number.isInteger(calls) && calls >= 1 && calls <= 100_000_000)) {
    throw new GraylaneError('INVALID_OPTION', `calls: ${String(calls)} (expected: 1..100000000)`);
  }
  const { callers = usualCallers(calls) } = options;
  if (!(callers >= 1)) throw new GraylaneError('INVALID_OPTION', `callers: ${String(callers)} (expected: >= 1)`);
  const { service } = policy;
  const compile = (content: PolicyDocument) =>
    compilePolicy({ content, format: 'object' }, { service, origin: 'inline', ...defined({ caller }) });
  const plan = compile(policy);
  const other = against === undefined ? undefined : compile(against);
  const simulation = new Simulation(plan, other, seededRandom(seed));
  if (from !== undefined) {
    for (const { method, labels, stickyKey, force } of from) {
      simulation.add({ method, labels: labelsOf(labels), stickyKey, force });
    }
  } else {
    const plans = other === undefined ? [plan] : [plan, other];
    const synthetic = createSyntheticCalls(plans, { random: seededRandom(seed + 1), callers });
    for (let made = 0; made < calls; made += 1) simulation.add(synthetic.next());
  }
  return simulation.report();
}
