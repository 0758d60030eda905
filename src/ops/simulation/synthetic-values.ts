import type { LabelMatcherDocument } from '../../policy/document';

/** What a label holds that no condition was written for. */
export const ORDINARY_VALUE = 'ordinary';

/** Values at which a matcher says yes or no: enough of each kind, as far as they can be read off it. Which is which, the caller tests. */
export function valuesAround(matcher: LabelMatcherDocument): readonly string[] {
  if (typeof matcher === 'string') return [matcher];
  const { exact, prefix, suffix, contains, regex, range, cidr, not } = matcher;
  const values: string[] = [...(matcher.in ?? []), ...(matcher.notIn ?? [])];
  if (exact !== undefined) values.push(exact);
  if (prefix !== undefined) values.push(prefix, `${prefix}x`);
  if (suffix !== undefined) values.push(suffix, `x${suffix}`);
  if (contains !== undefined) values.push(contains, `x${contains}x`);
  // Several conditions on one value at once.
  values.push(`${prefix ?? ''}${contains ?? ''}${suffix ?? ''}`);
  if (regex !== undefined) values.push(sampleOfRegex(regex));
  if (range !== undefined) values.push(String(Math.ceil(range[0])), String(Math.ceil(range[1]) - 1));
  if (cidr !== undefined) for (const block of [cidr].flat()) values.push(block.split('/')[0] ?? block);
  if (not !== undefined) values.push(...valuesAround(not));
  return values;
}

/**
 * A text that a regular expression of the common kind matches: classes give their first character, groups their first
 * alternative, `*` and `?` nothing, `+` and `{n}` what is asked for. The caller tests it; for a rarer kind it is just wrong.
 */
export function sampleOfRegex(source: string): string {
  let at = 0;
  const atom = (): string => {
    const char = source[at] ?? '';
    at += 1;
    if (char === '(') {
      if (source.startsWith('?', at)) at = source.indexOf(':', at) + 1 || at;
      const inner = alternatives();
      at += 1;
      return inner;
    }
    if (char === '[') return characterOfClass();
    if (char === '\\') return escaped();
    if (char === '.') return 'a';
    return char === '^' || char === '$' ? '' : char;
  };
  const escaped = (): string => {
    const char = source[at] ?? '';
    at += 1;
    return { d: '5', w: 'a', s: ' ', D: 'a', W: '-', S: 'a', b: '' }[char] ?? char;
  };
  const characterOfClass = (): string => {
    const isNegated = source[at] === '^';
    if (isNegated) at += 1;
    let first: string | undefined;
    do {
      const isEscaped = source[at] === '\\';
      if (isEscaped) at += 1;
      const char = isEscaped ? escaped() : (source[at] ?? '');
      if (!isEscaped) at += 1;
      first ??= char;
    } while (at < source.length && source[at] !== ']');
    at += 1;
    return isNegated ? (first === 'z' ? 'y' : 'z') : (first ?? '');
  };
  const repeated = (text: string): string => {
    const quantifier = /^(?:[*+?]|\{(\d+)[^}]*\})\??/.exec(source.slice(at));
    if (quantifier === null) return text;
    at += quantifier[0].length;
    return text.repeat(quantifier[1] === undefined ? Number(quantifier[0].startsWith('+')) : Number(quantifier[1]));
  };
  const sequence = (): string => {
    let text = '';
    while (at < source.length && source[at] !== '|' && source[at] !== ')') text += repeated(atom());
    return text;
  };
  const alternatives = (): string => {
    const first = sequence();
    while (source[at] === '|') {
      at += 1;
      sequence();
    }
    return first;
  };
  return alternatives();
}
