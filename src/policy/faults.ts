import type { StatusName } from '../base/status-names';
import type { DestinationDocument, FaultDocument, PolicyDocument, RouteDocument } from './document';
import type { FaultPlan } from './fault-plan';
import { compileMatch } from './match';
import { parseTimestamp } from './override';
import { describeWritten, nameAtPlace, readDestination, subsetName } from './places/destination';
import type { RoutePlan } from './plan';
import type { ValueLists } from './value-list';

const DEFAULT_MINIMUM_CALLS = 20;

/** Undefined for a route without one. */
export function compileRouteFault(route: RouteDocument | undefined): FaultPlan | undefined {
  return route?.fault && { ...commonOf(route.fault), name: `route ${route.name}`, route: route.name };
}

/** Those of the policy in their order, then those of its routes. Undefined: there are none. */
export function compileFaults(
  document: PolicyDocument,
  routes: readonly RoutePlan[],
  lists: ValueLists | undefined,
): readonly FaultPlan[] | undefined {
  const named = (document.faults ?? []).map(({ name, match, in: to, by, reason, ...rest }): FaultPlan => {
    // A sample of a fault and that of a route with its name are independent.
    const matched = match && compileMatch(match, `fault ${name}`, lists);
    const written = to === undefined ? undefined : readDestination(to, document.service);
    const subset = written && subsetName(written, document);
    return { ...commonOf(rest), name, match: matched, in: subset, place: written?.place, by, reason };
  });
  const ofRoutes = routes.flatMap(({ split }) => split.entries[0]?.decision.fault ?? []);
  return named.length + ofRoutes.length === 0 ? undefined : [...named, ...ofRoutes];
}

function commonOf({ abort, delayMs, percent, until, stopAbove }: FaultDocument): FaultPlan {
  return {
    name: '',
    route: undefined,
    match: undefined,
    in: undefined,
    place: undefined,
    abort,
    delayMs,
    percent,
    until,
    untilMs: parseTimestamp(until) ?? Number.NEGATIVE_INFINITY,
    stopAbove: stopAbove && { minimumCalls: DEFAULT_MINIMUM_CALLS, ...stopAbove },
    by: undefined,
    reason: undefined,
  };
}

/** What a fault does, of a plan or of a document. */
interface FaultEffect {
  readonly abort?: StatusName | undefined;
  readonly delayMs?: number | undefined;
  readonly percent: number;
  readonly in?: DestinationDocument | undefined;
  /** Of a plan, whose `in` has none. */
  readonly place?: string | undefined;
}

/** `10 % of attempts at canary fail with UNAVAILABLE`, `5 % of attempts begin 300 ms later`. */
export function describeFault({ abort, delayMs, percent, in: to, place }: FaultEffect): string {
  const at = to === undefined ? '' : ` at ${nameAtPlace(describeWritten(to), place)}`;
  const fails = abort === undefined ? undefined : `fail with ${abort}`;
  const late =
    delayMs === undefined ? undefined : fails === undefined ? `begin ${delayMs} ms later` : `after ${delayMs} ms`;
  return `${percent} % of attempts${at} ${[fails, late].filter((part) => part !== undefined).join(' ')}`;
}
