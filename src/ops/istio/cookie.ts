import type { LabelMatcherDocument } from '../../policy/document';

/** A condition on one cookie, as a label of a policy. */
export interface CookieCondition {
  /** `cookie:user`. */
  readonly key: string;
  readonly matcher: LabelMatcherDocument;
}

/** A name of a cookie, and a value without what ends one or means something in an expression. */
const PAIR = /^([A-Za-z0-9_-]{1,64})=([A-Za-z0-9_.%@+~/:-]{0,256})$/;
/** `^(.*?;)?(user=jason)(;.*)?$` and what people write in its place, with or without the spaces between cookies. */
const ANYWHERE =
  /^\^?\(?(?:\?:)?\((?:\?:)?\.\*\??;(?:\\s[*?]|\[ \][*?]| [*?]?)?\)\?\)?\(?(?:\?:)?([A-Za-z0-9_-]{1,64}=[A-Za-z0-9_\\.%@+~/:-]{0,256})\)?\((?:\?:)?;\.\*\)\?\$?$/;
/** An escaped point, and nothing else that is escaped. */
const ESCAPED_POINT = /\\\./g;

/**
 * What a condition on the header `cookie` says of one of its cookies; undefined where it says something else. An `exact`
 * condition is on the whole header, so it holds for callers with this one cookie: that of any others is not looked at.
 */
export function cookieCondition(kind: 'exact' | 'prefix' | 'regex', text: string): CookieCondition | undefined {
  if (kind === 'prefix') return undefined;
  const found = kind === 'regex' ? ANYWHERE.exec(text)?.[1] : text;
  // An expression takes a bare point for any character: a value with one is not this value alone.
  if (found === undefined || (kind === 'regex' && found.replace(ESCAPED_POINT, '').includes('.'))) return undefined;
  const [, name, value] = PAIR.exec(kind === 'regex' ? found.replace(ESCAPED_POINT, '.') : found) ?? [];
  return name === undefined || value === undefined
    ? undefined
    : { key: `cookie:${name.toLowerCase()}`, matcher: value };
}
