/** What a condition may name. */
const NAMES = ['result', 'canary', 'stable'] as const;
type Name = (typeof NAMES)[number];
export type ConditionValues = Readonly<Partial<Record<Name, number>>>;

export interface Condition {
  /** The figures that it needs. */
  readonly names: ReadonlySet<Name>;
  /** Undefined: one of them has no finite value. */
  holds(values: ConditionValues): boolean | undefined;
}

type Sum = (values: ConditionValues) => number;
type Test = (values: ConditionValues) => boolean;

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([a-z]+)|(<=|>=|==|!=|&&|\|\||[<>+\-*/()]))/iy;
const MAX_CHARACTERS = 512;
const MAX_DEPTH = 32;

const COMPARE: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
};

const CALCULATE: Readonly<Record<string, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
};

/** Why a condition cannot be read; `expected` is for a message. */
export class ConditionError extends Error {
  override readonly name: string = 'ConditionError';
}

/**
 * Reads `result < 0.05`, `canary <= stable * 1.5 and canary < 200`, or a bare comparison such as `< 0.05`, which is
 * about the result. Numbers, the three names, + - * / and brackets, six comparisons, `and` before `or`; nothing is ever
 * evaluated as code. Throws a {@link ConditionError} that says what was expected.
 */
export function parseCondition(text: string): Condition {
  const tokens = tokenize(text);
  const used = new Set<Name>();
  let at = 0;
  let depth = 0;
  const take = (...wanted: readonly string[]): string | undefined => {
    const token = tokens[at];
    if (token === undefined || !wanted.includes(token.toLowerCase())) return undefined;
    at += 1;
    return token.toLowerCase();
  };
  const fail = (expected: string): never => {
    throw new ConditionError(`${expected} ${at < tokens.length ? `at ${tokens[at]}` : 'at its end'}`);
  };
  const nested = <T>(read: () => T): T => {
    depth += 1;
    if (depth > MAX_DEPTH) fail(`at most ${MAX_DEPTH} brackets`);
    const value = read();
    if (take(')') === undefined) fail('a closing bracket');
    depth -= 1;
    return value;
  };

  const atom = (): Sum => {
    if (take('(') !== undefined) return nested(sum);
    if (take('-') !== undefined) {
      const value = atom();
      return (values) => -value(values);
    }
    const token = tokens[at];
    const name = NAMES.find((each) => each === token);
    if (name !== undefined) {
      at += 1;
      used.add(name);
      return (values) => values[name] ?? Number.NaN;
    }
    if (token === undefined || !/^\d/.test(token)) return fail('a number, result, canary or stable');
    at += 1;
    return () => Number(token);
  };
  /** Operands joined by these operators, from left to right. */
  const joined = (operand: () => Sum, ...operators: readonly string[]): Sum => {
    let left = operand();
    for (let operator = take(...operators); operator !== undefined; operator = take(...operators)) {
      const [first, second, calculate] = [left, operand(), CALCULATE[operator]];
      left = (values) => calculate?.(first(values), second(values)) ?? Number.NaN;
    }
    return left;
  };
  const sum = (): Sum => joined(() => joined(atom, '*', '/'), '+', '-');
  const comparison = (): Test => {
    const comparators = Object.keys(COMPARE);
    const isBare = comparators.includes(tokens[at] ?? '');
    if (isBare) used.add('result');
    const left: Sum = isBare ? (values) => values.result ?? Number.NaN : sum();
    const compare = COMPARE[take(...comparators) ?? fail('one of < <= > >= == !=')];
    const right = sum();
    return (values) => compare?.(left(values), right(values)) === true;
  };
  const all = (): Test => {
    const tests = [comparison()];
    while (take('and', '&&') !== undefined) tests.push(comparison());
    return (values) => tests.every((test) => test(values));
  };
  const tests = [all()];
  while (take('or', '||') !== undefined) tests.push(all());
  if (at < tokens.length) fail('and, or, or nothing more');
  return {
    names: used,
    holds(values) {
      for (const name of used) if (!Number.isFinite(values[name])) return undefined;
      return tests.some((test) => test(values));
    },
  };
}

function tokenize(text: string): readonly string[] {
  if (text.length > MAX_CHARACTERS) throw new ConditionError(`at most ${MAX_CHARACTERS} characters`);
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let end = 0;
  const trimmed = text.trimEnd();
  while (end < trimmed.length) {
    const found = TOKEN.exec(trimmed);
    if (found === null)
      throw new ConditionError(
        `numbers, result, canary, stable, comparisons, and, or at ${trimmed.slice(end, end + 10).trim()}`,
      );
    tokens.push(found[1] ?? found[2] ?? found[3] ?? '');
    end = TOKEN.lastIndex;
  }
  return tokens;
}
