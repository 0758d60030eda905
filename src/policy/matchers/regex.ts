import { loadRe2 } from '../../base/load-re2';
import { MAX_REGEX_CHARACTERS, MAX_REGEX_INSTRUCTIONS, MAX_REGEX_VALUE_CHARACTERS } from '../limits';

type TextTest = (value: string) => boolean;

/** Answers kept for each expression; label values repeat, and the engine costs about a microsecond. */
const MEMOISED_VALUES = 256;
const MEMOISED_CHARACTERS = 128;

/** Expressions kept over revisions: a new revision mostly repeats the old one's, and compiling costs milliseconds. */
const KEPT_EXPRESSIONS = 256;
const kept = new Map<string, TextTest>();

/** Why `pattern` is refused; undefined when it can be used. */
export function regexFault(pattern: string): string | undefined {
  if (pattern.length > MAX_REGEX_CHARACTERS) return `at most ${MAX_REGEX_CHARACTERS} characters`;
  if (kept.has(keyOf(pattern, false))) return undefined;
  try {
    const size = loadRe2().RE2JS.compile(pattern).programSize();
    if (size <= MAX_REGEX_INSTRUCTIONS) return undefined;
    return `an expression of at most ${MAX_REGEX_INSTRUCTIONS} instructions, this one has ${size}; shorten its counted repetitions`;
  } catch (error) {
    if (/\(\?<?[=!]/.test(pattern)) return 'RE2 syntax, which has no lookahead and no lookbehind';
    if (/\\[1-9k]/.test(pattern)) return 'RE2 syntax, which has no backreferences';
    return `RE2 syntax; ${error instanceof Error ? error.message : 'not an expression'}`;
  }
}

/**
 * Matches whole values in time linear in their length (RE2 has no backtracking). Plain text, `text.*` and `.*text`
 * never reach the engine; values beyond 1,024 characters match nothing. `pattern` must have passed {@link regexFault}.
 */
export function regexTest(pattern: string, ignoreCase: boolean): TextTest {
  const simple = ignoreCase ? undefined : simpleTest(pattern);
  if (simple !== undefined) return simple;
  const key = keyOf(pattern, ignoreCase);
  const known = kept.get(key);
  if (known !== undefined) return known;
  const test = engineTest(pattern, ignoreCase);
  if (kept.size >= KEPT_EXPRESSIONS) kept.delete(kept.keys().next().value ?? '');
  kept.set(key, test);
  return test;
}

function engineTest(pattern: string, ignoreCase: boolean): TextTest {
  const { RE2JS } = loadRe2();
  const expression = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  // The first runs build the engine's tables and are a thousand times slower than those that calls will see.
  for (const value of ['', 'warm', 'a'.repeat(MAX_REGEX_VALUE_CHARACTERS)]) expression.testExact(value);
  const answers = new Map<string, boolean>();
  return (value) => {
    if (value.length > MAX_REGEX_VALUE_CHARACTERS) return false;
    const known = answers.get(value);
    if (known !== undefined) return known;
    const answer = expression.testExact(value);
    if (value.length <= MEMOISED_CHARACTERS) {
      if (answers.size >= MEMOISED_VALUES) answers.clear();
      answers.set(value, answer);
    }
    return answer;
  };
}

/** `text`, `text.*` and `.*text`, where text has no meaning beyond itself. A dot is no line break, in RE2 as here. */
function simpleTest(pattern: string): TextTest | undefined {
  const parts = /^(\.\*)?([^\\.+*?()|[\]{}^$]*)(\.\*)?$/.exec(pattern);
  const text = parts?.[2];
  if (text === undefined || (parts?.[1] !== undefined && parts[3] !== undefined)) return undefined;
  const fits: TextTest = (value) => value.length <= MAX_REGEX_VALUE_CHARACTERS;
  if (parts?.[3] !== undefined) {
    return (value) => fits(value) && value.startsWith(text) && !value.includes('\n', text.length);
  }
  if (parts?.[1] !== undefined) {
    return (value) => fits(value) && value.endsWith(text) && !value.slice(0, value.length - text.length).includes('\n');
  }
  return (value) => fits(value) && value === text;
}

function keyOf(pattern: string, ignoreCase: boolean): string {
  return `${ignoreCase ? 'i' : 'c'}${pattern}`;
}
