/** What a path condition of HTTP comes to where only `/package.Service/Method` occurs. */
export type MethodPattern =
  | { readonly kind: 'any' }
  /** For `match.methods`. `instead`: how they differ from what was asked for. */
  | { readonly kind: 'methods'; readonly methods: readonly string[]; readonly instead?: string }
  /** No call of gRPC has such a path. */
  | { readonly kind: 'never' }
  | { readonly kind: 'unsayable'; readonly why: string };

const METHOD = /^\/[^/\s]+\/[^/\s]+$/;
const SERVICE_PREFIX = /^\/[^/\s]+\/$/;
const SERVICE_NAME = /^\/[^/\s]+$/;
/** Names of services begin with a capital, those of packages do not. */
const PACKAGE_PREFIX = /(?:^\/|\.)(?:[^A-Z./][^./]*)?$/;
const MOST_ALTERNATIVES = 64;
/** What an alternative may end in for a whole service, and what stands for it then. */
const ANY_METHOD = /^(?:\.[*+]|\[\^\/\][*+])(?=\||$)/;
const REST = '*';

/** How a policy document says a condition on the path, if it can: by names and by prefixes that end in `/`. */
export function methodPattern(kind: 'exact' | 'prefix' | 'regex', text: string): MethodPattern {
  if (kind === 'exact') return METHOD.test(text) ? { kind: 'methods', methods: [text] } : { kind: 'never' };
  return kind === 'prefix' ? prefixPattern(text) : regexPattern(text);
}

function prefixPattern(prefix: string): MethodPattern {
  if (prefix === '' || prefix === '/') return { kind: 'any' };
  if (SERVICE_PREFIX.test(prefix)) return { kind: 'methods', methods: [prefix] };
  if (SERVICE_NAME.test(prefix) && PACKAGE_PREFIX.test(prefix)) {
    return { kind: 'unsayable', why: 'a prefix of a package; name its services, /package.Service/ each' };
  }
  if (SERVICE_NAME.test(prefix)) {
    return { kind: 'methods', methods: [`${prefix}/`], instead: `taken for the service ${prefix}/` };
  }
  if (METHOD.test(prefix)) return { kind: 'unsayable', why: 'a prefix within the name of a method' };
  return { kind: 'never' };
}

function regexPattern(regex: string): MethodPattern {
  const found = alternativesOf(regex.replace(/^\^/, '').replace(/(?<!\\)\$$/, ''));
  if (found === undefined) return { kind: 'unsayable', why: 'an expression that is no list of names and prefixes' };
  const methods = new Set<string>();
  for (const text of found.alternatives) {
    const pattern = text.endsWith(REST) ? prefixPattern(text.slice(0, -1)) : methodPattern('exact', text);
    if (pattern.kind === 'any') return pattern;
    // An expression such as `/shop.*` may or may not be meant for a service.
    if (pattern.kind === 'unsayable' || (pattern.kind === 'methods' && pattern.instead !== undefined)) {
      return { kind: 'unsayable', why: 'an expression that ends within a name' };
    }
    if (pattern.kind === 'methods') for (const method of pattern.methods) methods.add(method);
  }
  if (methods.size === 0) return { kind: 'never' };
  const listed = { kind: 'methods', methods: [...methods] } as const;
  return found.hasBareDot ? { ...listed, instead: 'a dot without a backslash is taken for a dot' } : listed;
}

interface Alternatives {
  readonly alternatives: readonly string[];
  readonly hasBareDot: boolean;
}

/**
 * All texts that an expression of literals and groups `(a|b)` matches, with a {@link REST} at the end; undefined for
 * any other.
 */
function alternativesOf(expression: string): Alternatives | undefined {
  let at = 0;
  let hasBareDot = false;
  const sequence = (isTop: boolean): string[] | undefined => {
    let texts = [''];
    while (at < expression.length && expression[at] !== '|' && expression[at] !== ')') {
      const [rest] = isTop ? (ANY_METHOD.exec(expression.slice(at)) ?? []) : [];
      if (rest !== undefined) {
        at += rest.length;
        // `[^/]` goes no further than a name.
        const isWhole = rest.startsWith('.') || texts.every((text) => SERVICE_PREFIX.test(text));
        return isWhole ? texts.map((text) => text + REST) : undefined;
      }
      const parts = expression[at] === '(' ? group() : literal();
      if (parts === undefined || texts.length * parts.length > MOST_ALTERNATIVES) return undefined;
      texts = texts.flatMap((text) => parts.map((part) => text + part));
    }
    return texts;
  };
  const choice = (isTop: boolean): string[] | undefined => {
    const texts: string[] = [];
    for (;;) {
      const next = sequence(isTop);
      if (next === undefined) return undefined;
      texts.push(...next);
      if (expression[at] !== '|') return texts;
      at += 1;
    }
  };
  const group = (): string[] | undefined => {
    at += expression.startsWith('(?:', at) ? 3 : 1;
    const texts = choice(false);
    if (expression[at] !== ')') return undefined;
    at += 1;
    return texts;
  };
  const literal = (): string[] | undefined => {
    const [found, escaped] = /^(?:\\([./_-])|[A-Za-z0-9_/.-])/.exec(expression.slice(at)) ?? [];
    if (found === undefined) return undefined;
    at += found.length;
    if (/^[*+?{]/.test(expression.slice(at))) return undefined;
    if (found === '.') hasBareDot = true;
    return [escaped ?? found];
  };
  const alternatives = choice(true);
  if (alternatives === undefined || at < expression.length) return undefined;
  return { alternatives, hasBareDot };
}
