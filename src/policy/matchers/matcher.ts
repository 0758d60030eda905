import type { LabelMatcherDocument } from '../document';
import { NO_LISTS, type ValueLists } from '../value-list';
import { cidrTest } from './cidr';
import { regexTest } from './regex';
import { versionTest } from './version';

/** `undefined` stands for a label that the call does not have. */
export type LabelTest = (value: string | undefined) => boolean;

type TextTest = (value: string) => boolean;

type MatcherObject = Exclude<LabelMatcherDocument, string>;

/** Fifteen digits are exact in a double. */
const WHOLE_NUMBER = /^-?\d{1,15}$/;

/**
 * Compiles a matcher that validation has passed. A label that is absent satisfies `present: false`, `notIn`, and `not`
 * of whatever it does not satisfy; nothing else. Every condition of an object must hold; `ignoreCase` concerns the
 * conditions beside it, not those inside `not`. `lists` is asked at each test, so that a list that changes holds at once.
 */
export function compileMatcher(matcher: LabelMatcherDocument, lists: ValueLists = NO_LISTS): LabelTest {
  if (typeof matcher === 'string') return (value) => value === matcher;
  const tests = conditionsOf(matcher, lists);
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  return (value) => {
    for (const test of tests) if (!test(value)) return false;
    return true;
  };
}

function conditionsOf(matcher: MatcherObject, lists: ValueLists): readonly LabelTest[] {
  const { ignoreCase = false, exact, prefix, suffix, contains, regex, range, version, cidr, present, not } = matcher;
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  const tests: LabelTest[] = [];
  const add = (test: TextTest): void => {
    tests.push((value) => value !== undefined && test(value));
  };
  const addText = (text: string | undefined, test: (value: string, text: string) => boolean): void => {
    if (text === undefined) return;
    const wanted = fold(text);
    add(ignoreCase ? (value) => test(value.toLowerCase(), wanted) : (value) => test(value, wanted));
  };
  if (present !== undefined) tests.push((value) => (value !== undefined) === present);
  addText(exact, (value, text) => value === text);
  addText(prefix, (value, text) => value.startsWith(text));
  addText(suffix, (value, text) => value.endsWith(text));
  addText(contains, (value, text) => value.includes(text));
  if (matcher.in !== undefined) {
    const wanted = new Set(matcher.in.map(fold));
    add((value) => wanted.has(fold(value)));
  }
  if (matcher.notIn !== undefined) {
    const unwanted = new Set(matcher.notIn.map(fold));
    tests.push((value) => value === undefined || !unwanted.has(fold(value)));
  }
  if (matcher.list !== undefined) {
    const names = [matcher.list].flat();
    const find = ignoreCase ? 'hasIgnoringCase' : 'has';
    add((value) => names.some((name) => lists.get(name)?.[find](value) === true));
  }
  if (range !== undefined) {
    const [from, to] = range;
    add((value) => WHOLE_NUMBER.test(value) && Number(value) >= from && Number(value) < to);
  }
  if (version !== undefined) add(versionTest(version));
  if (cidr !== undefined) add(cidrTest(typeof cidr === 'string' ? [cidr] : cidr));
  if (not !== undefined) {
    const inner = compileMatcher(not, lists);
    tests.push((value) => !inner(value));
  }
  // Last, being the dearest.
  if (regex !== undefined) add(regexTest(regex, ignoreCase));
  return tests;
}

/** As explain shows it: `= canary`, `in [vip, staff]`, `not (prefix test-)`. */
export function describeMatcher(matcher: LabelMatcherDocument): string {
  if (typeof matcher === 'string') return `= ${matcher}`;
  const parts: string[] = [];
  for (const [key, value] of Object.entries(matcher)) {
    if (key === 'ignoreCase') continue;
    if (key === 'not') parts.push(`not (${describeMatcher(value as LabelMatcherDocument)})`);
    else if (key === 'present') parts.push(value === true ? 'present' : 'absent');
    else if (key === 'range' && Array.isArray(value)) parts.push(`range [${value.join(', ')})`);
    else if (key === 'exact') parts.push(`= ${String(value)}`);
    else parts.push(`${key} ${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}`);
  }
  return `${parts.join(' and ')}${matcher.ignoreCase === true ? ' (ignoring case)' : ''}`;
}
