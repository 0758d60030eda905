/** Methods by name or by prefix, as `match.methods` and `idempotent` list them. */
export class MethodSet {
  readonly exact: ReadonlySet<string>;
  readonly prefixes: readonly string[];

  constructor(exact: readonly string[], prefixes: readonly string[]) {
    this.exact = new Set(exact);
    this.prefixes = prefixes;
  }

  /** `/package.Service/Method` each, or a prefix that ends in `/`. */
  static of(patterns: readonly string[]): MethodSet {
    const isPrefix = (pattern: string): boolean => pattern.endsWith('/');
    return new MethodSet(
      patterns.filter((pattern) => !isPrefix(pattern)),
      patterns.filter(isPrefix),
    );
  }

  has(method: string): boolean {
    return this.exact.has(method) || this.prefixes.some((prefix) => method.startsWith(prefix));
  }
}
