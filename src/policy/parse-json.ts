import { MAX_DEPTH } from './limits';
import { type DocumentPath, note, type PositionIndex, type ProblemList } from './problems';

/**
 * Reads strict JSON. `JSON.parse` gives the value; a second, simple pass over text that is then known to be valid finds
 * what it does not tell: where things stand, and keys that are given twice. Undefined after a syntax error, which is
 * reported.
 */
export function parseJson(text: string, positions: PositionIndex, problems: ProblemList): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    positions.add([], syntaxErrorOffset(error, text));
    problems.report([], note('not JSON'), `JSON; ${error instanceof Error ? error.message : 'syntax error'}`);
    return undefined;
  }
  scanEntries(text, positions, problems);
  return value;
}

/** Engines name the place as `position N` or not at all; then it is most often the end that is missing. */
function syntaxErrorOffset(error: unknown, text: string): number {
  const named = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  return named === undefined ? text.length : Number(named);
}

function scanEntries(text: string, positions: PositionIndex, problems: ProblemList): void {
  let at = 0;

  const skipSpace = (): void => {
    while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1;
  };
  const skipString = (): void => {
    for (at += 1; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1;
    at += 1;
  };
  // Of what is refused as too deep anyway, only the end is looked for.
  const skipNested = (): void => {
    let depth = 0;
    do {
      const character = text.charAt(at);
      if (character === '"') {
        skipString();
        continue;
      }
      if (character === '{' || character === '[') depth += 1;
      if (character === '}' || character === ']') depth -= 1;
      at += 1;
    } while (depth > 0);
  };
  const scanObject = (path: DocumentPath): void => {
    const keys = new Set<string>();
    at += 1;
    skipSpace();
    while (text[at] !== '}') {
      const start = at;
      skipString();
      const key: string = JSON.parse(text.slice(start, at));
      const entryPath = [...path, key];
      positions.add(entryPath, start);
      if (keys.has(key)) problems.report(entryPath, note('given twice'), 'each key once');
      keys.add(key);
      skipSpace();
      at += 1;
      scanValue(entryPath);
      skipSpace();
      if (text[at] === ',') at += 1;
      skipSpace();
    }
    at += 1;
  };
  const scanList = (path: DocumentPath): void => {
    at += 1;
    skipSpace();
    for (let index = 0; text[at] !== ']'; index += 1) {
      const itemPath = [...path, index];
      positions.add(itemPath, at);
      scanValue(itemPath);
      skipSpace();
      if (text[at] === ',') at += 1;
      skipSpace();
    }
    at += 1;
  };
  const scanValue = (path: DocumentPath): void => {
    skipSpace();
    if (path.length === 0) positions.add(path, at);
    const first = text.charAt(at);
    if (first === '"') skipString();
    else if (first !== '{' && first !== '[')
      while (at < text.length && !' \t\r\n,]}'.includes(text.charAt(at))) at += 1;
    else if (path.length >= MAX_DEPTH) skipNested();
    else if (first === '{') scanObject(path);
    else scanList(path);
  };
  scanValue([]);
}
