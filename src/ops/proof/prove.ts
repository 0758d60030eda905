import { seededRandom } from '../../base/random';
import type { Plan, PolicyProblem } from '../../policy/plan';
import { createPlanReader, type PlanVerdict } from './plan-reader';
import { createProxyCalls, type ProxyCall, type RuleSource, type Verdict } from './rule-source';

export interface ProofOptions {
  readonly source: RuleSource;
  readonly plan: Plan;
  /** What the import told, by its paths. */
  readonly losses: readonly PolicyProblem[];
  /** The rule that each route comes from, by name. */
  readonly rules: ReadonlyMap<string, string>;
  /** How many calls are held against both. >= 1. */
  readonly calls: number;
  /** Seed of the calls. */
  readonly seed: number;
}

/** How a policy and the rules that it was made from agree on the same calls. */
export interface Proof {
  readonly calls: number;
  /** Calls of which both say the same. */
  readonly agreed: number;
  /** Calls that differ where the import told a loss. */
  readonly told: number;
  /** Calls that differ, and nothing was told. */
  readonly untold: number;
  /** One example of each kind of difference. */
  readonly differences: readonly ProofDifference[];
}

export interface ProofDifference {
  /** What differs. */
  readonly what: 'where' | 'timeout' | 'retries';
  readonly isTold: boolean;
  /** Path of the rule; undefined where none takes the call. */
  readonly rule: string | undefined;
  /** Name of the policy's route, or `default`. */
  readonly route: string;
  readonly calls: number;
  readonly example: ProxyCall;
  /** In words, by the rules and by the policy. */
  readonly expected: string;
  readonly found: string;
}

/** A split is cut into hundredths of a percent, and each entry has one at least. */
const TOLERANCE = 0.002;
const MOST_KINDS = 100;
/** Of a loss, what follows the path of its rule, by what it can excuse. The rule itself excuses all. */
const EXCUSES: Readonly<Record<ProofDifference['what'], RegExp>> = {
  where:
    /^$|^[.](?:match|route|delegate|redirect|directResponse|rewrite|matches|filters|backendRefs|Match|NextNode)\b/i,
  timeout: /^$|^[.](?:timeouts?|Destination[.]RequestTimeout|RequestTimeout)\b/i,
  retries: /^$|^[.](?:retr|Destination[.](?:Num|Retry))/i,
};

/** Holds a policy against the rules that it was made from, on calls made up around their conditions. Pure. */
export function prove({ source, plan, losses, rules, calls, seed }: ProofOptions): Proof {
  const made = createProxyCalls(source.hints, plan.service, seededRandom(seed));
  const read = createPlanReader(plan);
  const told = (rule: string | undefined, ...kinds: readonly ProofDifference['what'][]): boolean => {
    if (rule === undefined) return losses.some(({ path }) => path === 'default');
    return losses.some(({ path }) => {
      const within = path.startsWith(rule) ? path.slice(rule.length) : undefined;
      return within !== undefined && kinds.some((what) => EXCUSES[what].test(within));
    });
  };
  const kinds = new Map<string, ProofDifference>();
  const counts = { agreed: 0, told: 0, untold: 0 };
  for (let count = 0; count < calls; count += 1) {
    const call = made.next();
    const expected = source.decide(call);
    const found = read(call);
    const differing = compare(expected, found);
    if (differing.length === 0) {
      counts.agreed += 1;
      continue;
    }
    let isAllTold = true;
    for (const { what, ...texts } of differing) {
      const rule = expected.rule;
      const from = rules.get(found.route);
      // A call that another rule takes has the timeout and the retries of that rule as well.
      const about = rule === from ? [what] : ([what, 'where'] as const);
      const isTold =
        told(rule, ...about) ||
        (from !== undefined && told(from, ...about)) ||
        isOutside(losses, rule, from) ||
        concerns(losses, expected);
      isAllTold &&= isTold;
      const key = JSON.stringify([what, isTold, rule, found.route]);
      const known = kinds.get(key);
      if (known !== undefined || kinds.size < MOST_KINDS) {
        const difference = known ?? { what, isTold, rule, route: found.route, example: call, calls: 0, ...texts };
        kinds.set(key, { ...difference, calls: difference.calls + 1 });
      }
    }
    if (isAllTold) counts.told += 1;
    else counts.untold += 1;
  }
  const differences = [...kinds.values()].sort((a, b) => Number(a.isTold) - Number(b.isTold) || b.calls - a.calls);
  return { calls, ...counts, differences };
}

/** Losses of what the rule leads to. */
function concerns(losses: readonly PolicyProblem[], { concerns: paths = [] }: Verdict): boolean {
  return losses.some(({ path }) => paths.some((each) => path.startsWith(each)));
}

/** Losses of a whole resource, which concern each of its rules. */
function isOutside(losses: readonly PolicyProblem[], ...rules: readonly (string | undefined)[]): boolean {
  return losses.some(({ path }) => path === 'routes' || rules.some((rule) => rule?.startsWith(`${path}.`)));
}

function compare(
  expected: Verdict,
  found: PlanVerdict,
): readonly Pick<ProofDifference, 'what' | 'expected' | 'found'>[] {
  const places = new Set([...expected.shares.keys(), ...found.shares.keys()]);
  const isElsewhere = [...places].some(
    (place) => Math.abs((expected.shares.get(place) ?? 0) - (found.shares.get(place) ?? 0)) > TOLERANCE,
  );
  if (isElsewhere) {
    return [{ what: 'where', expected: describeShares(expected.shares), found: describeShares(found.shares) }];
  }
  const differing: Pick<ProofDifference, 'what' | 'expected' | 'found'>[] = [];
  const timeout = (value: number | undefined): string => (value === undefined ? 'none' : `${value} ms`);
  const tries = (value: number | undefined): string => (value === undefined ? 'as by default' : `${value} tries`);
  if (expected.timeoutMs !== found.timeoutMs) {
    differing.push({ what: 'timeout', expected: timeout(expected.timeoutMs), found: timeout(found.timeoutMs) });
  }
  if (expected.attempts !== found.attempts) {
    differing.push({ what: 'retries', expected: tries(expected.attempts), found: tries(found.attempts) });
  }
  return differing;
}

function describeShares(shares: ReadonlyMap<string, number>): string {
  if (shares.size === 0) return 'no instance';
  return [...shares].map(([place, share]) => `${place} ${Number((share * 100).toFixed(2))} %`).join(', ');
}
