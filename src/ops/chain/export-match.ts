import { defined } from '../../base/defined';
import { type ChainReport, type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { LabelMatcherDocument, MatchDocument } from '../../policy/document';
import { MAX_KEY_CHARACTERS } from '../../policy/limits';
import { methodPattern } from '../../policy/method-pattern';

type MatcherObject = Exclude<LabelMatcherDocument, string>;

/** Values of any length that expressions are held against; longer ones match none. */
const ANY_READABLE_VALUE = '(?s).*';
const PATHS = [
  ['PathExact', 'exact'],
  ['PathPrefix', 'prefix'],
  ['PathRegex', 'regex'],
] as const;
/** The first of them that a header condition has is the one that counts. */
const HEADER_KINDS: readonly string[] = ['Exact', 'Regex', 'Prefix', 'Suffix', 'Contains'];

/**
 * The match of a route as a document says it; undefined for one that every call meets. `false` when a document cannot
 * say it, which is reported. For routes that the compiler can evaluate.
 */
export function exportMatch(definition: Fields, path: string, report: ChainReport): MatchDocument | undefined | false {
  const http = fieldsOf(fieldsOf(definition['Match'])['HTTP']);
  const at = `${path}.Match.HTTP`;
  const methods = exportPath(http, at, report);
  if (methods === false) return false;
  const groups = [new Map<string, MatcherObject>(), new Map<string, MatcherObject>()] as const;
  for (const [index, each] of listOf(http['Header']).entries()) {
    const { key, matcher } = headerMatcher(fieldsOf(each));
    if (key.length > MAX_KEY_CHARACTERS) {
      report.cannot(
        `${at}.Header[${index}].Name`,
        `${key.length} characters (expected: at most ${MAX_KEY_CHARACTERS})`,
      );
      return false;
    }
    if (!place(key, matcher, groups)) {
      report.cannot(`${at}.Header[${index}]`, `one condition too many on ${key}`);
      return false;
    }
  }
  const [labels, more] = groups.map(labelsOf);
  if (methods === undefined && labels === undefined) return undefined;
  return defined({ methods, labels, any: more && [{ labels: more }] });
}

function exportPath(http: Fields, at: string, report: ChainReport): readonly string[] | undefined | false {
  const found = PATHS.find(([field]) => textOf(http[field]) !== undefined);
  if (found === undefined) return undefined;
  const [field, kind] = found;
  const text = textOf(http[field]) ?? '';
  const pattern = methodPattern(kind, text);
  if (pattern.kind === 'any') return undefined;
  if (http['CaseInsensitive'] === true && kind !== 'regex') {
    report.cannot(`${at}.CaseInsensitive`, 'methods are matched as they are written');
    return false;
  }
  if (pattern.kind === 'methods') {
    if (pattern.instead !== undefined) report.cannot(`${at}.${field}`, pattern.instead);
    return pattern.methods;
  }
  const why = pattern.kind === 'never' ? 'no gRPC call has such a path' : pattern.why;
  report.cannot(`${at}.${field}`, `${JSON.stringify(text.slice(0, 80))}, ${why}`);
  return false;
}

/**
 * A header condition as a matcher. Consul's compiler follows Envoy, where an absent header meets no condition, inverted
 * or not, except `Present`.
 */
function headerMatcher(header: Fields): { readonly key: string; readonly matcher: MatcherObject } {
  const key = (textOf(header['Name']) ?? '').toLowerCase();
  const isInverted = header['Invert'] === true;
  const folding = header['IgnoreCase'] === true ? { ignoreCase: true } : {};
  const kind = HEADER_KINDS.find((name) => textOf(header[name]) !== undefined);
  if (kind === undefined) return { key, matcher: { present: !isInverted } };
  const matcher: MatcherObject = { [kind.toLowerCase()]: header[kind], ...folding };
  if (!isInverted) return { key, matcher };
  // Of a value that is too long for the engine nothing can be said, inverted or not.
  return { key, matcher: { ...(kind === 'Regex' ? { regex: ANY_READABLE_VALUE } : { present: true }), not: matcher } };
}

/** Every header condition of a chain's router, for whoever makes calls up that meet them. */
export function headerMatchers(chain: object): readonly (readonly [key: string, matcher: LabelMatcherDocument])[] {
  const nodes = Object.values(fieldsOf(fieldsOf(chain)['Nodes'])).map(fieldsOf);
  const routes = nodes.flatMap((node) => listOf(node['Routes'])).map(fieldsOf);
  return routes.flatMap((route) => {
    const http = fieldsOf(fieldsOf(fieldsOf(route['Definition'])['Match'])['HTTP']);
    return listOf(http['Header']).map((each) => {
      const { key, matcher } = headerMatcher(fieldsOf(each));
      return [key, matcher] as const;
    });
  });
}

/** A label has one matcher in `labels` and one in the only group of `any`, and all of them must hold. */
function place(key: string, matcher: MatcherObject, groups: readonly Map<string, MatcherObject>[]): boolean {
  return groups.some((group) => {
    const merged = merge(group.get(key), matcher);
    if (merged !== undefined) group.set(key, merged);
    return merged !== undefined;
  });
}

function merge(known: MatcherObject | undefined, added: MatcherObject): MatcherObject | undefined {
  if (known === undefined) return added;
  const clash = Object.entries(added).some(
    ([name, value]) => Object.hasOwn(known, name) && known[name as keyof MatcherObject] !== value,
  );
  if (clash || (hasText(known) && hasText(added) && known.ignoreCase !== added.ignoreCase)) return undefined;
  return { ...known, ...added };
}

/** Conditions that `ignoreCase` beside them has a bearing on. */
function hasText({ present: _, not: __, ignoreCase: ___, ...conditions }: MatcherObject): boolean {
  return Object.keys(conditions).length > 0;
}

function labelsOf(group: ReadonlyMap<string, MatcherObject>): MatchDocument['labels'] {
  if (group.size === 0) return undefined;
  const isExact = (matcher: MatcherObject): boolean => matcher.exact !== undefined && Object.keys(matcher).length === 1;
  return Object.fromEntries([...group].map(([key, each]) => [key, isExact(each) ? (each.exact ?? '') : each]));
}
