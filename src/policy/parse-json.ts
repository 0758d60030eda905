import { MAX_DEPTH } from './limits';
import { type DocumentPath, note, type ParsedText, PositionIndex, ProblemList } from './problems';

/**
 * Reads strict JSON. `JSON.parse` gives the value; a second, simple pass over text that is then known to be valid finds
 * what it does not tell: where things stand, and keys that are given twice. `document` is what messages call it.
 */
export function parseJson(text: string, document: string): ParsedText {
  const positions = new PositionIndex(text);
  const list = new ProblemList(positions, document);
  const value = readValue(text, positions, list);
  if (value !== undefined) scanEntries(text, positions, list);
  return { value, positions, problems: list.problems };
}

function readValue(text: string, positions: PositionIndex, problems: ProblemList): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    positions.add([], syntaxErrorOffset(error, text));
    const said = error instanceof Error ? error.message : 'syntax error';
    problems.report([], note('not JSON'), `JSON; ${said}${hintFor(text)}`);
    return undefined;
  }
}

/** What people write that is YAML or JavaScript. */
const HABITS: readonly (readonly [RegExp, string])[] = [
  [/^\s*(?:\/\/|\/\*|#)/m, 'JSON has no comments; name the file .yaml, where # begins one'],
  [/,\s*[}\]]/, 'no comma stands before } or ]'],
  [/[{,[]\s*'/, 'texts stand in double quotes'],
  [/^\s*[\w-]+:\s/, 'this looks like YAML; name the file .yaml'],
];

function hintFor(text: string): string {
  // Within texts nothing of it is a mistake.
  const bare = text.replace(/"[^"\\\n]*(?:\\.[^"\\\n]*)*"/g, '""');
  const found = HABITS.find(([pattern]) => pattern.test(bare));
  return found === undefined ? '' : `; ${found[1]}`;
}

/** Engines name the place as `position N` or not at all; then it is most often the end that is missing. */
function syntaxErrorOffset(error: unknown, text: string): number {
  const named = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  return named === undefined ? text.length : Number(named);
}

/** A text, a bracket, or a number or word. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]|[^\s,:[\]{}"]+/g;

/** An object or a list that is not closed yet. */
interface Frame {
  readonly path: DocumentPath;
  /** Undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** Of a list: where its next item stands. */
  index: number;
  /** Of an object: the key whose value comes next. */
  entry: DocumentPath | undefined;
}

function scanEntries(text: string, positions: PositionIndex, problems: ProblemList): void {
  const open: Frame[] = [];
  /** How many brackets are open of what is refused as too deep anyway. */
  let beyond = 0;
  for (const { 0: token, index: at } of text.matchAll(TOKEN)) {
    const opens = token === '{' || token === '[';
    if (token === '}' || token === ']') {
      if (beyond > 0) beyond -= 1;
      else open.pop();
      continue;
    }
    if (beyond > 0) {
      if (opens) beyond += 1;
      continue;
    }
    const holder = open.at(-1);
    let path: DocumentPath = holder?.entry ?? [];
    if (holder?.keys !== undefined && holder.entry === undefined) {
      const key: string = JSON.parse(token);
      holder.entry = [...holder.path, key];
      positions.add(holder.entry, at);
      if (holder.keys.has(key)) problems.report(holder.entry, note('given twice'), 'each key once');
      holder.keys.add(key);
      continue;
    }
    if (holder?.keys === undefined) {
      if (holder !== undefined) {
        path = [...holder.path, holder.index];
        holder.index += 1;
      }
      positions.add(path, at);
    } else holder.entry = undefined;
    if (opens && path.length >= MAX_DEPTH) beyond = 1;
    else if (opens) open.push({ path, keys: token === '{' ? new Set() : undefined, index: 0, entry: undefined });
  }
}
