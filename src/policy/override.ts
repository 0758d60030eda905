import { nearest } from '../base/spelling';
import type { OverrideDocument } from './document';
import type { Decision, OverridePlan, PolicyProblem } from './plan';
import { createProblemList } from './problems';

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
  decisionTo: (subset: string | undefined) => Decision | undefined,
  subsets: readonly string[],
): { readonly override: OverridePlan | undefined; readonly warnings: readonly PolicyProblem[] } {
  const warnings = createProblemList(undefined);
  const asked = environment?.to !== undefined || environment?.datacenter !== undefined;
  if (environment !== undefined && asked) {
    const decision = decisionTo(environment.to);
    if (decision !== undefined) {
      const override = { decision: overriding(decision, environment), datacenterOnly: environment.to === undefined };
      return {
        override: {
          ...override,
          untilMs: Number.POSITIVE_INFINITY,
          by: undefined,
          reason: undefined,
          origin: 'environment',
        },
        warnings: [],
      };
    }
    const meant = nearest(environment.to ?? '', subsets);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    warnings.report(
      ['override', 'to'],
      environment.to,
      `a subset of the policy${hint}; GRAYLANE_OVERRIDE is not applied`,
    );
  }
  const decision = written === undefined ? undefined : decisionTo(written.to);
  if (written === undefined || decision === undefined) return { override: undefined, warnings: warnings.problems };
  return {
    override: {
      decision: overriding(decision, written),
      untilMs: parseTimestamp(written.until) ?? Number.NEGATIVE_INFINITY,
      by: written.by,
      reason: written.reason,
      origin: 'policy',
      datacenterOnly: written.to === undefined,
    },
    warnings: warnings.problems,
  };
}

function overriding(decision: Decision, { datacenter }: EnvironmentOverride): Decision {
  return {
    ...decision,
    by: 'override',
    route: 'override',
    datacenters: datacenter === undefined ? undefined : [datacenter],
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
