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
const MOST_ALTERNATIVES = 64;
/** What an expression may end in for a whole service. */
const ANY_METHOD = /(?:\.[*+]|\[\^\/\][*+])$/;

/** How a policy document says a condition on the path, if it can: by names and by prefixes that end in `/`. */
export function methodPattern(kind: 'exact' | 'prefix' | 'regex', text: string): MethodPattern {
  if (kind === 'exact') return METHOD.test(text) ? { kind: 'methods', methods: [text] } : { kind: 'never' };
  return kind === 'prefix' ? prefixPattern(text) : regexPattern(text);
}

function prefixPattern(prefix: string): MethodPattern {
  if (prefix === '' || prefix === '/') return { kind: 'any' };
  if (SERVICE_PREFIX.test(prefix)) return { kind: 'methods', methods: [prefix] };
  if (SERVICE_NAME.test(prefix)) {
    return { kind: 'methods', methods: [`${prefix}/`], instead: `taken for the service ${prefix}/` };
  }
  if (METHOD.test(prefix)) return { kind: 'unsayable', why: 'a prefix within the name of a method' };
  return { kind: 'never' };
}

function regexPattern(regex: string): MethodPattern {
  const body = regex.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
  if (body === '.*' || body === '/.*') return { kind: 'any' };
  const isPrefix = ANY_METHOD.test(body);
  const texts = alternativesOf(isPrefix ? body.replace(ANY_METHOD, '') : body);
  if (texts === undefined) return { kind: 'unsayable', why: 'an expression that is no list of names and prefixes' };
  const patterns = texts.alternatives.map((text) => methodPattern(isPrefix ? 'prefix' : 'exact', text));
  const methods: string[] = [];
  // Of an expression `/shop.*` nobody knows whether it was meant for a service.
  for (const pattern of patterns) {
    if (pattern.kind === 'any') return pattern;
    if (pattern.kind === 'unsayable' || (pattern.kind === 'methods' && pattern.instead !== undefined)) {
      return { kind: 'unsayable', why: 'an expression that ends within a name' };
    }
    if (pattern.kind === 'methods') methods.push(...pattern.methods);
  }
  if (methods.length === 0) return { kind: 'never' };
  const distinct = [...new Set(methods)];
  if (!texts.hasBareDot) return { kind: 'methods', methods: distinct };
  return { kind: 'methods', methods: distinct, instead: 'a dot without a backslash is taken for a dot' };
}

interface Alternatives {
  readonly alternatives: readonly string[];
  readonly hasBareDot: boolean;
}

/** All texts that an expression of literals and groups `(a|b)` matches; undefined for any other. */
function alternativesOf(expression: string): Alternatives | undefined {
  let at = 0;
  let hasBareDot = false;
  const sequence = (): string[] | undefined => {
    let texts = [''];
    while (at < expression.length && expression[at] !== '|' && expression[at] !== ')') {
      const parts = expression[at] === '(' ? group() : literal();
      if (parts === undefined || texts.length * parts.length > MOST_ALTERNATIVES) return undefined;
      texts = texts.flatMap((text) => parts.map((part) => text + part));
    }
    return texts;
  };
  const choice = (): string[] | undefined => {
    const texts: string[] = [];
    for (;;) {
      const next = sequence();
      if (next === undefined) return undefined;
      texts.push(...next);
      if (expression[at] !== '|') return texts;
      at += 1;
    }
  };
  const group = (): string[] | undefined => {
    at += expression.startsWith('(?:', at) ? 3 : 1;
    const texts = choice();
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
  const alternatives = choice();
  if (alternatives === undefined || at < expression.length) return undefined;
  return { alternatives, hasBareDot };
}
