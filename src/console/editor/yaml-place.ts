/** Where in a YAML document a place of its text is; holds for text that is half typed, which a parser refuses. */
export interface YamlPlace {
  /** Keys, and `[]` for an item of a list. Of what surrounds the place; with `isValue` also the key before it. */
  readonly path: readonly string[];
  /** A value is expected here, rather than a key. */
  readonly isValue: boolean;
  /** The word up to the place, and where it begins. */
  readonly word: string;
  readonly from: number;
  /** Keys that stand beside it already, as far as they stand before it. */
  readonly siblings: readonly string[];
}

interface Level {
  readonly indent: number;
  readonly key: string;
  /** Keys seen inside, which are no more open. */
  readonly keys: string[];
}

const ITEM = '[]';
const KEY = /^("[^"]*"|'[^']*'|[^\s#:,[\]{}"'][^#:,[\]{}]*?)\s*:(?=\s|$)/;

/**
 * The place at `offset`, by indentation and, within a line, by brackets. Undefined inside a comment. Enough for
 * completion: what a line of several brackets begins on an earlier line is not followed.
 */
export function yamlPlaceAt(text: string, offset: number): YamlPlace | undefined {
  const levels: Level[] = [{ indent: -1, key: '', keys: [] }];
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
  for (const line of text.slice(0, lineStart).split('\n')) {
    if (line.trim() !== '' && !line.trimStart().startsWith('#')) openLine(levels, line);
  }
  const line = text.slice(lineStart, offset);
  if (/(^|\s)#/.test(line)) return undefined;
  const rest = openLine(levels, line);
  const place = inBrackets(rest.text);
  const word = /[^\s,[\]{}:"']*$/.exec(line)?.[0] ?? '';
  const isValue = place.isValue ?? rest.isValue;
  const siblings = place.siblings ?? levels.at(-1)?.keys ?? [];
  const path = [...levels.slice(1).map(({ key }) => key), ...place.path];
  return { path, isValue, word, from: offset - word.length, siblings };
}

/** Closes what the line ends and opens what it begins. Gives what stands after its last key. */
function openLine(levels: Level[], line: string): { readonly text: string; readonly isValue: boolean } {
  let indent = line.length - line.trimStart().length;
  let rest = line.trimStart();
  let isItem = false;
  // `- - key: value` opens two lists.
  while (/^-(\s|$)/.test(rest)) {
    isItem = true;
    close(levels, indent, true);
    levels.push({ indent, key: ITEM, keys: [] });
    const after = rest.slice(1);
    const blank = after.length - after.trimStart().length;
    indent += 1 + blank;
    rest = after.trimStart();
  }
  if (!isItem) close(levels, indent, false);
  const key = KEY.exec(rest);
  if (key === null) return { text: rest, isValue: isItem && !/^[\w$]*$/.test(rest) };
  const name = unquoted(key[1] ?? '');
  levels.at(-1)?.keys.push(name);
  levels.push({ indent, key: name, keys: [] });
  return { text: rest.slice(key[0].length), isValue: true };
}

/** An item may stand as far in as the key whose list it belongs to. */
function close(levels: Level[], indent: number, isItem: boolean): void {
  for (let top = levels.at(-1); top !== undefined && levels.length > 1; top = levels.at(-1)) {
    const isOpen = top.indent < indent || (isItem && top.indent === indent && top.key !== ITEM);
    if (isOpen) return;
    levels.pop();
  }
}

/** Follows `{ a: [ { b: ...` within one line. */
function inBrackets(text: string): {
  readonly path: readonly string[];
  readonly isValue?: boolean;
  readonly siblings?: readonly string[];
} {
  const open: { readonly isList: boolean; key: string | undefined; readonly keys: string[] }[] = [];
  for (const [token] of text.matchAll(/"[^"]*"?|'[^']*'?|[{}[\],]|:(?=\s|$)|[^\s{}[\],:"']+(?::[^\s{}[\],:"']+)*/g)) {
    const top = open.at(-1);
    if (token === '{' || token === '[') open.push({ isList: token === '[', key: undefined, keys: [] });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && top !== undefined) top.key = undefined;
    else if (token === ':' && top !== undefined && !top.isList) top.key = top.keys.at(-1);
    else if (top !== undefined && !top.isList && top.key === undefined) top.keys.push(unquoted(token));
  }
  if (open.length === 0) return { path: [] };
  const path = open.flatMap(({ isList, key }) => (isList ? [ITEM] : key === undefined ? [] : [key]));
  const top = open.at(-1);
  // The word before the place is no sibling of itself.
  const siblings = top?.keys.slice(0, /[\s{,]$/.test(text) ? undefined : -1) ?? [];
  return { path, isValue: top?.isList === true || top?.key !== undefined, siblings };
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
