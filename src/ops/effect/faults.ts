import { describeFault } from '../../policy/faults';
import type { FaultPlan, MatchPlan, Plan } from '../../policy/plan';

interface FaultFinding {
  readonly kind: 'fault';
  readonly path: string;
  readonly text: string;
  readonly isNew: boolean;
}

/** Faults that hit every attempt of the service and that nothing ends before their time. */
export function faultFindings(before: Plan, after: Plan, wallNowMs: number): readonly FaultFinding[] {
  const former = new Set(
    inForce(before, wallNowMs)
      .filter((fault) => hitsAll(fault, before))
      .map(({ name }) => name),
  );
  return inForce(after, wallNowMs)
    .filter((fault) => hitsAll(fault, after))
    .map((fault) => {
      const text = `fault ${fault.name}: ${describeFault(fault)} until ${fault.until}, of every call, and no stopAbove ends it early`;
      return { kind: 'fault', path: pathOf(fault), text, isNew: !former.has(fault.name) } as const;
    });
}

/** What each fault in force does, until when, and which drill a change ends. */
export function faultRemarks(before: Plan, after: Plan, wallNowMs: number, isInRollout: boolean): readonly string[] {
  const faults = inForce(after, wallNowMs);
  const names = new Set(faults.map(keyOf));
  const ended = inForce(before, wallNowMs).filter((fault) => !names.has(keyOf(fault)));
  const remarks = [
    ...faults.map((fault) => `fault ${fault.name}: until ${fault.until} ${describeFault(fault)}, of ${callsOf(fault)}`),
    ...ended.map((fault) => `fault ${fault.name}, which would run until ${fault.until}, ends with this change`),
  ];
  if (faults.length > 0 && isInRollout) {
    remarks.push('a rollout is under way: it judges the canary by what the faults do to it');
  }
  return remarks;
}

function inForce({ faults = [], override }: Plan, wallNowMs: number): readonly FaultPlan[] {
  if (override !== undefined && wallNowMs < override.untilMs) return [];
  return faults.filter(({ untilMs }) => wallNowMs < untilMs);
}

function hitsAll({ in: subset, match, percent, route, stopAbove }: FaultPlan, plan: Plan): boolean {
  if (percent < 100 || stopAbove !== undefined || match !== undefined) return false;
  if (subset !== undefined && !takesAll(subset, plan)) return false;
  return route === undefined || plan.routes.find(({ name }) => name === route)?.match === undefined;
}

/** Whether calls that no condition holds for go to this subset, or would without a route that takes them all. */
function takesAll(subset: string, { routes, fallthrough }: Plan): boolean {
  if (subset === fallthrough.destination.subset) return true;
  const entries = routes.find(({ match }) => match === undefined)?.split.entries.filter(({ buckets }) => buckets > 0);
  return entries?.every(({ decision }) => decision.destination.subset === subset) ?? false;
}

function callsOf({ match, route }: FaultPlan): string {
  if (route !== undefined) return `calls of route ${route}`;
  const words = match === undefined ? [] : wordsOf(match);
  return words.length === 0 ? 'every call' : `calls with ${words.join(', ')}`;
}

function wordsOf({ methods, labels, any, sample }: MatchPlan): readonly string[] {
  const said = (group: MatchPlan['labels']): string =>
    group.map(({ key, describe }) => `${key} ${describe}`).join(' and ');
  return [
    ...(methods === undefined ? [] : [`method ${[...methods.exact, ...methods.prefixes].join(', ')}`]),
    ...(labels.length === 0 ? [] : [said(labels)]),
    ...(any.length === 0 ? [] : [any.map(said).join(' or ')]),
    ...(sample === undefined ? [] : [`one of ${sample.percent} % of ${sample.by}`]),
  ];
}

function keyOf({ name, until }: FaultPlan): string {
  return `${name}\n${until}`;
}

function pathOf({ name, route }: FaultPlan): string {
  return route === undefined ? `faults[${name}]` : `routes[${route}].fault`;
}
