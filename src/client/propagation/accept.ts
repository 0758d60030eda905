import { isRecord } from '../../base/is-record';
import { keyProblems, throwProblems } from '../../base/option-reader';
import { labelKeyFault } from '../../policy/label-key';

/** Which labels a server takes from its callers. */
export interface AcceptOptions {
  /**
   * Keys of the labels that callers may set, at most 32. Nothing else that they send becomes a label here or travels
   * on; `[]` accepts none.
   */
  readonly accept: readonly string[];
  /**
   * Keys, or prefixes ending in `*`, that are removed from the metadata or headers unless they are accepted. For
   * servers that pass those on as they are. Default: none.
   */
  readonly strip?: readonly string[];
}

/** {@link AcceptOptions}, and the deadline of the calls that are made for a served call. */
export interface ServerInterceptorOptions extends AcceptOptions {
  /**
   * Time that is kept for the answer of a served call: calls made for it end so many milliseconds before its deadline.
   * 0 or more; default 0. A served call that has less than this left makes no more calls.
   */
  readonly deadlineMarginMs?: number;
}

/** {@link AcceptOptions}, checked. Keys are in lower case. */
export interface AcceptRules {
  readonly keys: readonly string[];
  isStripped(key: string): boolean;
  readonly stripsNothing: boolean;
}

const MOST_KEYS = 32;
const OPTIONS: readonly string[] = ['accept', 'strip'];
const INTERCEPTOR_OPTIONS: readonly string[] = [...OPTIONS, 'deadlineMarginMs'];

/** Headers with a meaning in HTTP, gRPC or tracing: passed on as labels they would break the next call. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'baggage',
  'content-encoding',
  'set-cookie',
  'traceparent',
  'tracestate',
]);

/** Throws INVALID_OPTION with every problem, as `serverInterceptor.accept[0]: ... (expected: ...)`. */
export function parseAcceptOptions(options: AcceptOptions, path: string): AcceptRules {
  const problems: string[] = [];
  const parsed = readAccept(readGiven(options, OPTIONS, path, problems), path, problems);
  throwProblems(problems);
  return parsed;
}

/** Throws as `parseAcceptOptions()` does. */
export function parseInterceptorOptions(
  options: ServerInterceptorOptions,
  path: string,
): { readonly rules: AcceptRules; readonly deadlineMarginMs: number } {
  const problems: string[] = [];
  const given = readGiven(options, INTERCEPTOR_OPTIONS, path, problems);
  const parsed = readAccept(given, path, problems);
  const { deadlineMarginMs: margin = 0 } = given;
  if (typeof margin !== 'number' || !(margin >= 0 && margin < Number.POSITIVE_INFINITY)) {
    const is = typeof margin === 'number' ? margin : typeof margin;
    problems.push(`${path}.deadlineMarginMs: ${is} (expected: milliseconds, 0 or more)`);
  }
  throwProblems(problems);
  return { rules: parsed, deadlineMarginMs: Number(margin) };
}

type Given = Partial<Record<string, unknown>>;

function readGiven(options: unknown, known: readonly string[], path: string, problems: string[]): Given {
  problems.push(...keyProblems(options, path, known));
  return isRecord(options) ? options : {};
}

function readAccept(given: Given, path: string, problems: string[]): AcceptRules {
  const keys = strings(given['accept'], `${path}.accept`, problems);
  for (const [index, key] of keys.entries()) {
    const fault =
      labelKeyFault(key) ?? (RESERVED_HEADERS.has(key) ? 'a key of your own; this one has a meaning' : undefined);
    if (fault !== undefined) problems.push(`${path}.accept[${index}]: ${shown(key)} (expected: ${fault})`);
  }
  if (keys.length > MOST_KEYS) problems.push(`${path}.accept: ${keys.length} keys (expected: at most ${MOST_KEYS})`);
  const strip = given['strip'] === undefined ? [] : strings(given['strip'], `${path}.strip`, problems);
  for (const [index, pattern] of strip.entries()) {
    if (!/^[0-9a-z_.-]+\*?$/.test(pattern)) {
      problems.push(`${path}.strip[${index}]: ${shown(pattern)} (expected: a key, or a prefix ending in *)`);
    }
  }
  return rules([...new Set(keys)], strip);
}

function rules(keys: readonly string[], strip: readonly string[]): AcceptRules {
  const prefixes = strip.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1));
  const exact = new Set(strip);
  return {
    keys,
    isStripped: (key) => !keys.includes(key) && (exact.has(key) || prefixes.some((prefix) => key.startsWith(prefix))),
    stripsNothing: strip.length === 0,
  };
}

function strings(value: unknown, path: string, problems: string[]): readonly string[] {
  if (!Array.isArray(value)) {
    problems.push(`${path}: ${value === undefined ? 'missing' : typeof value} (expected: a list of keys)`);
    return [];
  }
  return value.map((each: unknown, index) => {
    if (typeof each === 'string') return each.toLowerCase();
    problems.push(`${path}[${index}]: ${typeof each} (expected: a key)`);
    return 'x';
  });
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
