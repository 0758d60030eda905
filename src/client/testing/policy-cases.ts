import { AssertionError } from 'node:assert';
import { systemClock } from '../../base/clock';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { throwProblems } from '../../base/option-reader';
import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import { createCaseJudge } from '../../policy/routing/case-judge';
import {
  CASE_METHOD,
  type ExpectedDecision,
  judgeDecision,
  nameOfCase,
  type PolicyCase,
  problemsOfCases,
  problemsOfLists,
} from '../../policy/routing/policy-case';
import type { ExplainRequest } from '../admin/explain';
import type { Graylane } from '../api';

/** One row of a table, ready to be a test. */
export interface PolicyTest {
  /** What a test runner shows. */
  readonly name: string;
  /** Throws an AssertionError that says where the call went instead, and why. Bound: needs no `this`. */
  readonly run: () => void;
}

/** What the cases of a policy are run with. */
export interface PolicyCasesOptions {
  /** The time that an override's `until` is compared with. Default: now. */
  readonly at?: Date;
  /** Values of the lists that matchers name, by name. Default: a list has none. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Turns a table of calls and expected subsets into tests: `test.each(policyCases(policy, table))('$name', ({ run }) =>
 * run())` in vitest and Jest, `for (const { name, run } of ...) test(name, run)` in node:test. Throws PolicyError for a
 * policy that is wrong, INVALID_OPTION for a table that is.
 */
export function policyCases(
  policy: PolicyDocument,
  cases: readonly PolicyCase[],
  { at, lists }: PolicyCasesOptions = {},
): readonly PolicyTest[] {
  const plan = compilePolicy({ content: policy, format: 'object' }, { service: policy.service, origin: 'inline' });
  throwProblems([...problemsOfLists(lists, 'lists', plan), ...problemsOfCases(cases, plan)]);
  const clock = at === undefined ? systemClock : { ...systemClock, wallNow: () => at.getTime() };
  const judge = createCaseJudge(policy, { clock, ...defined({ lists }) });
  return cases.map((one) => ({
    name: nameOfCase(one),
    run: () => fail(judge(one).problem, nameOfCase(one), policyCases),
  }));
}

/**
 * Asserts where a client would send a call now, without making it. Throws an AssertionError that says why the call goes
 * elsewhere, and NOT_READY as `explain()` does. `service` is optional for a test client that has only one.
 */
export function assertDecision(
  client: Pick<Graylane, 'explain'> & { readonly services?: readonly string[] },
  request: Omit<ExplainRequest, 'method'> & { readonly method?: string; readonly service?: string },
  expected: ExpectedDecision,
): void {
  const { services = [] } = client;
  const service = request.service ?? (services.length === 1 ? services[0] : undefined);
  if (service === undefined) {
    const known = services.length === 0 ? 'a name, for a client that is no test client' : services.join(', ');
    throw new GraylaneError('INVALID_OPTION', `service: missing (expected: ${known})`);
  }
  const { service: _, method = CASE_METHOD, ...rest } = request;
  const { routing } = client.explain(service, { ...rest, method });
  const { labels = {} } = request;
  fail(judgeDecision(routing, expected), nameOfCase({ method, labels }), assertDecision);
}

function fail(problem: string | undefined, name: string, stackStartFn: (...args: never[]) => unknown): void {
  if (problem !== undefined) throw new AssertionError({ message: `${name}: ${problem}`, stackStartFn });
}
