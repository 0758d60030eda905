import type { Clock } from '../../base/clock';
import { defined } from '../../base/defined';
import { seededRandom } from '../../base/random';
import { compilePolicy } from '../compile';
import type { PolicyDocument } from '../document';
import { assumedLanes } from '../lanes/assumed-lanes';
import type { Plan } from '../plan';
import { ValueList } from '../value-list';
import { explainRouting } from './explain';
import { labelsOf } from './labels';
import { CASE_METHOD, judgeDecision, nameOfCase, type PolicyCase } from './policy-case';

/** Values by the name of their list. */
export type CaseLists = Readonly<Record<string, readonly string[]>>;

/** What came of a case. */
export interface JudgedCase {
  readonly name: string;
  /** What is wrong, and why; undefined: the case holds. */
  readonly problem: string | undefined;
  readonly route: string;
  readonly subset: string;
}

/**
 * Decides calls of a table, each as a client that states the name of the case's caller, with the lists and lanes of the
 * case. `lists`: those of the whole table. Throws PolicyError for a policy that is wrong.
 */
export function createCaseJudge(
  document: PolicyDocument,
  { clock, lists = {} }: { readonly clock: Clock; readonly lists?: CaseLists },
): (one: PolicyCase) => JudgedCase {
  let known = new Map<string, ValueList>();
  const plans = new Map<string | undefined, Plan>();
  const planOf = (caller: string | undefined): Plan => {
    const made = plans.get(caller);
    if (made !== undefined) return made;
    const facts = { service: document.service, origin: 'inline', ...defined({ caller }) } as const;
    // Matchers ask for a list at each call, so that one plan serves cases with different ones.
    const asked = { get: (name: string) => known.get(name) };
    const plan = compilePolicy({ content: document, format: 'object' }, { ...facts, lists: asked });
    plans.set(caller, plan);
    return plan;
  };
  planOf(undefined);
  return (one) => {
    const { method = CASE_METHOD, labels = {}, stickyKey, from } = one;
    const plan = planOf(from);
    known = new Map(Object.entries({ ...lists, ...one.lists }).map(([name, values]) => [name, new ValueList(values)]));
    const env = { clock, random: seededRandom(1), lanes: assumedLanes(plan, one.lanes) };
    const found = explainRouting(plan, { method, labels: labelsOf(labels), stickyKey, force: undefined }, env);
    const missing = (plan.lists ?? []).filter((name) => !known.has(name));
    const hint = missing.length === 0 ? '' : `\n  not given, so without values: list ${missing.join(', ')}`;
    const problem = judgeDecision(found, one);
    const { route, subset } = found.decision;
    return { name: nameOfCase(one), problem: problem === undefined ? undefined : `${problem}${hint}`, route, subset };
  };
}
