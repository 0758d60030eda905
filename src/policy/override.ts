import { nearest } from '../base/spelling';
import type { DestinationDocument, OverrideDocument } from './document';
import type { Decision, OverridePlan, PolicyProblem } from './plan';
import { ProblemList } from './problems';

/** What `GRAYLANE_OVERRIDE` asks of one service; at least one of the two. */
export interface EnvironmentOverride {
  readonly to?: string;
  readonly datacenter?: string;
}

/**
 * The override in force: the environment's where there is one, else the document's. One from the environment that names
 * an unknown subset is left out with a warning: better the policy as written than no subset at all.
 * `decisionTo(undefined)` is the plan's default decision.
 */
export function compileOverride(
  written: OverrideDocument | undefined,
  environment: EnvironmentOverride | undefined,
  decisionTo: (to: DestinationDocument | undefined) => Decision | undefined,
  subsets: readonly string[],
): { readonly override: OverridePlan | undefined; readonly warnings: readonly PolicyProblem[] } {
  const isAsked = environment?.to !== undefined || environment?.datacenter !== undefined;
  const forced = isAsked ? decisionTo(environment.to) : undefined;
  if (environment !== undefined && forced !== undefined) {
    return {
      override: { ...plannedOverride(forced, environment), untilMs: Number.POSITIVE_INFINITY, origin: 'environment' },
      warnings: [],
    };
  }
  const warnings = new ProblemList();
  if (isAsked) {
    const meant = nearest(environment.to ?? '', subsets);
    const expected = `a subset of the policy${meant === undefined ? '' : `; did you mean ${meant}?`}`;
    warnings.report(['override', 'to'], environment.to, `${expected}; GRAYLANE_OVERRIDE is not applied`);
  }
  const decision = written === undefined ? undefined : decisionTo(written.to);
  const override = written !== undefined && decision !== undefined ? plannedOverride(decision, written) : undefined;
  return { override, warnings: warnings.problems };
}

function plannedOverride(decision: Decision, written: Partial<OverrideDocument>): OverridePlan {
  const { to, datacenter, until = '', by, reason } = written;
  const datacenters = datacenter === undefined ? decision.datacenters : [datacenter];
  return {
    decision: { ...decision, by: 'override', route: 'override', datacenters },
    untilMs: parseTimestamp(until) ?? Number.NEGATIVE_INFINITY,
    by,
    reason,
    origin: 'policy',
    datacenterOnly: to === undefined,
  };
}

/** Milliseconds since the epoch; undefined unless it is RFC 3339 and a day that exists. */
export function parseTimestamp(text: string): number | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (parts === null) return undefined;
  const [year, month, day] = parts.slice(1).map(Number);
  const daysInMonth = new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate();
  if (day === undefined || day < 1 || day > daysInMonth) return undefined;
  const time = Date.parse(text.toUpperCase().replace(' ', 'T'));
  return Number.isNaN(time) ? undefined : time;
}
