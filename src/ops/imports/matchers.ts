import type { LabelMatcherDocument } from '../../policy/document';
import { labelKeyFault } from '../../policy/label-key';
import { MAX_KEY_CHARACTERS } from '../../policy/limits';
import { regexFault } from '../../policy/matchers/regex';

type MatcherObject = Exclude<LabelMatcherDocument, string>;

/** Two conditions on one label as one; undefined where a matcher has no room for both. */
export function mergeMatchers(
  known: LabelMatcherDocument | undefined,
  added: LabelMatcherDocument,
): LabelMatcherDocument | undefined {
  if (known === undefined) return added;
  const [first, second] = [known, added].map(
    (each): MatcherObject => (typeof each === 'string' ? { exact: each } : each),
  );
  const clash = Object.entries(second ?? {}).some(
    ([name, value]) => Object.hasOwn(first ?? {}, name) && first?.[name as keyof MatcherObject] !== value,
  );
  return clash ? undefined : { ...first, ...second };
}

/** The negated condition also holds for a call without the label. */
export function inverted(matcher: LabelMatcherDocument): LabelMatcherDocument {
  return typeof matcher === 'object' && matcher.present === true ? { present: false } : { not: matcher };
}

/** Why no label has this name, as what was expected; undefined when one may. */
export function headerFault(name: string): string | undefined {
  if (name.length > MAX_KEY_CHARACTERS) return `a name of at most ${MAX_KEY_CHARACTERS} characters`;
  return labelKeyFault(name.toLowerCase());
}

/** A pattern as a matcher; a text is why it cannot be one. */
export function regexMatcher(pattern: string): { readonly regex: string } | string {
  const fault = regexFault(pattern);
  return fault === undefined ? { regex: pattern } : `cannot be evaluated (expected: ${fault})`;
}
