import { isRecord } from '../../base/is-record';
import { OptionReader } from '../../base/option-reader';
import { readLabelKeyFault } from '../../policy/label-key';
import { type CallerOptions, type CallerRules, readCallerOptions } from './caller-labels';

/** Which labels a server takes from its callers. */
export interface AcceptOptions {
  /**
   * Keys of the labels that callers may set, at most 32. Nothing else that they send becomes a label here or travels
   * on; `[]` accepts none. `cookie:name` is the cookie of that name.
   */
  readonly accept: readonly string[];
  /**
   * Keys, or prefixes ending in `*`, that are removed from the metadata or headers unless they are accepted. For
   * servers that pass those on as they are. Default: none.
   */
  readonly strip?: readonly string[];
  /** Labels of who is calling, made by this server. Default: none. */
  readonly caller?: CallerOptions;
}

/** {@link AcceptOptions}, and the deadline of the calls that are made for a served call. */
export interface ServerInterceptorOptions extends AcceptOptions {
  /**
   * Time that is kept for the answer of a served call: calls made for it end so many milliseconds before its deadline.
   * 0 or more; default 0. A served call that has less than this left makes no more calls.
   */
  readonly deadlineMarginMs?: number;
}

/** {@link ServerInterceptorOptions}, checked. Keys are in lower case. */
export interface AcceptRules {
  readonly keys: readonly string[];
  isStripped(key: string): boolean;
  readonly stripsNothing: boolean;
  readonly caller: CallerRules | undefined;
  readonly deadlineMarginMs: number;
}

const MOST_KEYS = 32;
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

/** What an interceptor and a middleware may be given. */
const OPTIONS: Readonly<Record<'serverInterceptor' | 'httpMiddleware', readonly string[]>> = {
  serverInterceptor: ['accept', 'strip', 'caller', 'deadlineMarginMs'],
  httpMiddleware: ['accept', 'strip', 'caller'],
};

/** Throws INVALID_OPTION with every problem, as `serverInterceptor.accept[0]: ... (expected: ...)`. */
export function parseAcceptOptions(options: ServerInterceptorOptions, path: keyof typeof OPTIONS): AcceptRules {
  const read = new OptionReader(options, path, OPTIONS[path]);
  const { problems } = read;
  const keys = strings(read.value('accept'), `${path}.accept`, problems);
  for (const [index, key] of keys.entries()) {
    const fault =
      readLabelKeyFault(key) ?? (RESERVED_HEADERS.has(key) ? 'a key of your own; this one has a meaning' : undefined);
    if (fault !== undefined) read.problem(`accept[${index}]`, shown(key), fault);
  }
  if (keys.length > MOST_KEYS) read.problem('accept', `${keys.length} keys`, `at most ${MOST_KEYS}`);
  const strip = read.value('strip') === undefined ? [] : strings(read.value('strip'), `${path}.strip`, problems);
  for (const [index, pattern] of strip.entries()) {
    if (/^[0-9a-z_.-]+\*?$/.test(pattern)) continue;
    read.problem(`strip[${index}]`, shown(pattern), 'a key, or a prefix ending in *');
  }
  const { deadlineMarginMs = 0 }: { readonly deadlineMarginMs?: unknown } = isRecord(options) ? options : {};
  const isMargin =
    typeof deadlineMarginMs === 'number' && deadlineMarginMs >= 0 && deadlineMarginMs < Number.POSITIVE_INFINITY;
  if (!isMargin) {
    const is = typeof deadlineMarginMs === 'number' ? String(deadlineMarginMs) : typeof deadlineMarginMs;
    read.problem('deadlineMarginMs', is, 'milliseconds, 0 or more');
  }
  const caller = readCallerOptions(read, keys);
  read.throwProblems();
  const prefixes = strip.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1));
  return {
    keys: [...new Set(keys)],
    isStripped: (key) =>
      !keys.includes(key) && (strip.includes(key) || prefixes.some((prefix) => key.startsWith(prefix))),
    stripsNothing: strip.length === 0,
    caller,
    deadlineMarginMs: deadlineMarginMs as number,
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
