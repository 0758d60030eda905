import type { Random } from '../../base/random';
import { LABEL_EXPECTED, LABEL_KEY } from '../flags';

/** A label whose value differs from call to call. */
export interface LabelMix {
  readonly key: string;
  /** Of one call; undefined: this call does not have the label. */
  pick(random: Random): string | undefined;
}

const MOST_VALUES = 1_000_000;

/**
 * `key=value`, where the value may hold `{1..1000}` (one of the whole numbers) and `{a,b}` (one of these), or be as a
 * whole `{a:10%,b:5%}` (that share of the calls; the others do not have the label). Other braces stand for themselves.
 * A text instead: what is wrong.
 */
export function parseLabelMix(text: string): LabelMix | string {
  const at = text.indexOf('=');
  if (at < 1) return '(expected: key=value)';
  const key = text.slice(0, at).toLowerCase();
  if (!LABEL_KEY.test(key)) return LABEL_EXPECTED;
  const value = text.slice(at + 1);
  const stray = value.replace(/\{[^{}]*\}/g, '').match(/[{}]/)?.[0];
  if (stray !== undefined) return `(expected: a pair for each brace, such as {canary:10%}; ${stray} has none)`;
  const shares = parseShares(value);
  if (typeof shares === 'string') return shares;
  if (shares !== undefined) return { key, pick: (random) => pickShare(shares, random() * 100) };
  const parts = value.split(/(\{[^{}]*\})/).map(parsePart);
  const wrong = parts.find((part) => typeof part === 'string');
  if (wrong !== undefined) return wrong;
  const makers = parts.filter((part) => typeof part !== 'string');
  return { key, pick: (random) => makers.map((make) => make(random)).join('') };
}

interface Share {
  readonly value: string;
  readonly percent: number;
}

function parseShares(value: string): readonly Share[] | string | undefined {
  const inner = /^\{([^{}]*%)\}$/.exec(value)?.[1];
  if (inner === undefined) return undefined;
  const shares = inner.split(',').map((each) => /^(.*):(\d{1,3}(?:\.\d+)?)%$/.exec(each));
  if (shares.some((share) => share === null)) return `${value} (expected: such as {canary:10%,beta:5%})`;
  const parsed = shares.flatMap((share) =>
    share === null ? [] : [{ value: share[1] ?? '', percent: Number(share[2]) }],
  );
  const sum = parsed.reduce((total, { percent }) => total + percent, 0);
  return sum > 100 ? `${value}: ${sum} % (expected: at most 100 % together)` : parsed;
}

function pickShare(shares: readonly Share[], point: number): string | undefined {
  let end = 0;
  for (const { value, percent } of shares) {
    end += percent;
    if (point < end) return value;
  }
  return undefined;
}

function parsePart(part: string): ((random: Random) => string) | string {
  const [, from, to] = /^\{(\d{1,9})\.\.(\d{1,9})\}$/.exec(part) ?? [];
  if (from !== undefined && to !== undefined) {
    const first = Number(from);
    const count = Number(to) - first + 1;
    if (count < 1 || count > MOST_VALUES)
      return `${part} (expected: from the lower number, at most ${MOST_VALUES} values)`;
    return (random) => String(first + Math.floor(random() * count));
  }
  const choices = /^\{([^{}]*,[^{}]*)\}$/.exec(part)?.[1]?.split(',');
  if (choices === undefined) return () => part;
  return (random) => choices[Math.floor(random() * choices.length)] ?? '';
}
