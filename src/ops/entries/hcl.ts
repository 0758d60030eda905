/** A text that is no HCL, or more of it than config entries need. */
export class HclError extends Error {
  override readonly name: string = 'HclError';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export interface HclText {
  readonly value: Readonly<Record<string, unknown>>;
  /** Where attributes, blocks and items begin, by their paths as JSON. */
  readonly offsets: ReadonlyMap<string, number>;
}

const MOST_CHARACTERS = 1_000_000;
const MAX_DEPTH = 32;
const SPACE = /(?:[\s\uFEFF]|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const NAME = /[A-Za-z_][\w.-]*/y;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y;
const STRING = /"((?:[^"\\\n]|\\.)*)"/y;
const HEREDOC = /<<(-?)([A-Za-z_]\w*)\n([\s\S]*?)\n[ \t]*\2(?=\n|$)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

/**
 * Reads the part of HCL that config entries are written in: attributes, blocks with or without labels, lists, objects,
 * texts, numbers, `true` and `false`, comments. Expressions, variables and functions are refused: Consul evaluates none.
 * Throws an HclError. https://developer.hashicorp.com/consul/docs/reference/config-entry
 */
export function parseHcl(text: string): HclText {
  if (text.length > MOST_CHARACTERS) throw new HclError(`more than ${MOST_CHARACTERS} characters`, 0);
  const reader = new HclReader(text);
  return { value: reader.body(undefined, [], 0), offsets: reader.offsets };
}

type Path = readonly (string | number)[];

class HclReader {
  readonly offsets: Map<string, number> = new Map();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Attributes and blocks up to `end`. */
  body(end: '}' | undefined, path: Path, depth: number): Readonly<Record<string, unknown>> {
    if (depth > MAX_DEPTH) throw this.#error(`more than ${MAX_DEPTH} blocks inside one another`);
    const fields = new Map<string, unknown>();
    /** Blocks that may be given several times: a list of them. */
    const repeated = new Map<string, unknown[]>();
    for (;;) {
      this.#skip();
      if (this.#at >= this.#text.length) {
        if (end === undefined) return Object.fromEntries(fields);
        throw this.#error('a block that does not end (expected: })');
      }
      if (this.#take('}')) {
        if (end === '}') return Object.fromEntries(fields);
        throw this.#error('} without a block');
      }
      const begin = this.#at;
      const key = this.#match(NAME)?.[0] ?? this.#string();
      if (key === undefined) throw this.#error(`${this.#shown()} (expected: the name of an attribute or a block)`);
      const here = [...path, key];
      if (!this.offsets.has(JSON.stringify(here))) this.offsets.set(JSON.stringify(here), begin);
      this.#skip();
      if (this.#take('=') || this.#take(':')) {
        if (fields.has(key)) throw this.#error(`${key} given twice (expected: once)`);
        fields.set(key, this.#value(here, depth + 1));
      } else {
        const value = this.#block(here, depth + 1);
        const before = repeated.get(key);
        if (before !== undefined) before.push(value);
        else if (fields.has(key)) throw this.#error(`${key} given twice (expected: once)`);
        const all = before ?? [value];
        repeated.set(key, all);
        fields.set(key, all.length === 1 ? value : all);
      }
      this.#skip();
      this.#take(',');
    }
  }

  /** `{ ... }` after any labels, each of which is an object of one field. */
  #block(path: Path, depth: number): unknown {
    if (depth > MAX_DEPTH) throw this.#error(`more than ${MAX_DEPTH} blocks inside one another`);
    if (this.#take('{')) return this.body('}', path, depth);
    const label = this.#string() ?? this.#match(NAME)?.[0];
    if (label === undefined) throw this.#error(`${this.#shown()} (expected: =, a label or {)`);
    this.#skip();
    return { [label]: this.#block([...path, label], depth + 1) };
  }

  #value(path: Path, depth: number): unknown {
    this.#skip();
    if (this.#take('{')) return this.body('}', path, depth);
    if (this.#take('[')) return this.#list(path, depth);
    const text = this.#string();
    if (text !== undefined) return text;
    const number = this.#match(NUMBER)?.[0];
    if (number !== undefined) return Number(number);
    const begin = this.#at;
    const word = this.#match(NAME)?.[0];
    if (word === 'true' || word === 'false') return word === 'true';
    if (word === 'null') return null;
    this.#at = begin;
    throw this.#error(`${this.#shown()} (expected: a text in quotes, a number, true, false, [ or {)`);
  }

  #list(path: Path, depth: number): unknown[] {
    if (depth > MAX_DEPTH) throw this.#error(`more than ${MAX_DEPTH} lists inside one another`);
    const items: unknown[] = [];
    for (;;) {
      this.#skip();
      if (this.#take(']')) return items;
      if (this.#at >= this.#text.length) throw this.#error('a list that does not end (expected: ])');
      const here = [...path, items.length];
      this.offsets.set(JSON.stringify(here), this.#at);
      items.push(this.#value(here, depth + 1));
      this.#skip();
      if (!this.#take(',') && this.#text[this.#at] !== ']') throw this.#error(`${this.#shown()} (expected: , or ])`);
    }
  }

  #string(): string | undefined {
    const quoted = this.#match(STRING);
    if (quoted !== undefined) {
      if (/\$\{|%\{/.test(quoted[1] ?? ''))
        throw this.#error('a template (expected: a plain text; Consul evaluates none)');
      return (quoted[1] ?? '').replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escaped: string) =>
        escaped.startsWith('u') && escaped.length === 5
          ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
          : (ESCAPES[escaped] ?? escaped),
      );
    }
    const [, isIndented, , lines] = this.#match(HEREDOC) ?? [];
    if (lines === undefined) return undefined;
    if (isIndented !== '-') return `${lines}\n`;
    const indents = lines.split('\n').filter((line) => line.trim() !== '');
    const least = Math.min(...indents.map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0));
    return `${lines
      .split('\n')
      .map((line) => line.slice(least))
      .join('\n')}\n`;
  }

  #skip(): void {
    this.#match(SPACE);
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }

  #shown(): string {
    return JSON.stringify(this.#text.slice(this.#at, this.#at + 20).split('\n')[0]);
  }

  #error(message: string): HclError {
    return new HclError(message, this.#at);
  }
}
