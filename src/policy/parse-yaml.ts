import { LineStarts, type Position } from '../base/line-starts';
import { DOCUMENT_SEPARATOR, isBlankYaml, readYaml, type YamlDocument } from '../base/yaml';
import { findNode, YamlError, type YamlNode } from '../base/yaml-nodes';
import { type DocumentPath, note, type ParsedText, type Positions, ProblemList } from './problems';

/** Characters before and after a mistake. */
const MOST_LOOKED_AT = 200;

/** Reads YAML 1.2 (core schema: `off` and dates stay text). `document` is what messages call it. */
export function parseYaml(text: string, document: string): ParsedText {
  return parseAlone(text, new LineStarts(text), 0, document);
}

/**
 * The same of a text that may hold several documents, parted by `---`: each that is not blank, or what there is to say
 * of a text without one. A document that is broken leaves the others.
 */
export function parseYamlStream(text: string, document: string): readonly ParsedText[] {
  const lines = new LineStarts(text);
  const parsed: ParsedText[] = [];
  let begin = 0;
  for (const piece of text.split(DOCUMENT_SEPARATOR)) {
    if (!isBlankYaml(piece)) parsed.push(parseAlone(piece, lines, begin, document));
    begin += piece.length + '---'.length;
  }
  return parsed.length > 0 ? parsed : [parseAlone('', lines, 0, document)];
}

/** `lines`: of the whole text, in which the document begins at `begin`. */
function parseAlone(text: string, lines: LineStarts, begin: number, noun: string): ParsedText {
  const read = readOne(text);
  if (read instanceof YamlError) {
    const positions: Positions = { locate: () => lines.positionAt(begin + read.offset) };
    const problems = new ProblemList(positions, noun);
    problems.report([], note('not YAML'), `YAML 1.2; ${read.message}${hintFor(text, read.offset)}`);
    return { value: undefined, positions, problems: problems.problems };
  }
  const positions = new YamlPositions(read.root, lines, begin);
  const problems = new ProblemList(positions, noun);
  reportTwins(read.root, [], problems);
  return { value: read.value, positions, problems: problems.problems };
}

/**
 * What people most often meant, by the line where reading ended and the one before, in which `_` stands for each text in
 * quotes. The first that fits is told.
 */
const SLIPS: readonly (readonly [RegExp, string])[] = [
  [/\{\{/, 'this looks like a template: what it is rendered to is read'],
  [/^ *(?:\/\/|\/\*)|\s\/\/ /m, 'a comment begins with #'],
  [/^ *\t/m, 'lines are indented by spaces'],
  [/(?:^|[:[,-]) *[@`%]/m, 'text that begins with @, ` or % stands in quotes'],
  [/[:[,-] *[*&](?=[\s\],]|$)/m, 'text that begins with * or & stands in quotes'],
  [/(?:[:[{,-] *|_\w*)"/, 'a " is not closed; inside of two it is written \\"'],
  [/(?:[:[{,-] *|_\w*)'/, "a ' is not closed; inside of two it is written twice"],
  [/\[[^\]\n]*$|\{[^}\n]*$/m, 'a [ or { is not closed'],
  [/^ *(?:- )?[\w.-]+:(?!\/\/)[^\s:]\S*\s*$/m, 'a blank stands between a colon and its value'],
  [/^ *(?:- )?[\w.-]+: [^[{#\n]*: /m, 'text that holds a colon and a blank stands in quotes'],
];

const IN_QUOTES = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'/g;

function hintFor(text: string, offset: number): string {
  const ends = text.indexOf('\n', offset);
  const begins = text.lastIndexOf('\n', text.lastIndexOf('\n', offset - 1) - 1) + 1;
  // A line that no person wrote may be all of the text.
  const from = Math.max(begins, offset - MOST_LOOKED_AT);
  const to = Math.min(ends === -1 ? text.length : ends, offset + MOST_LOOKED_AT);
  const lines = text.slice(from, to).replace(IN_QUOTES, '_');
  const found = SLIPS.find(([pattern]) => pattern.test(lines));
  return found === undefined ? '' : `; ${found[1]}`;
}

function readOne(text: string): YamlDocument | YamlError {
  try {
    // A key that is given twice is found below, with the path and all its siblings.
    return readYaml(text, { uniqueKeys: false });
  } catch (error) {
    return error instanceof YamlError ? error : new YamlError(String(error), 0);
  }
}

class YamlPositions implements Positions {
  readonly #root: YamlNode;
  readonly #lines: LineStarts;
  readonly #begin: number;

  constructor(root: YamlNode, lines: LineStarts, begin: number) {
    this.#root = root;
    this.#lines = lines;
    this.#begin = begin;
  }

  locate(path: DocumentPath): Position {
    return this.#lines.positionAt(this.#begin + (findNode(this.#root, path).start ?? 0));
  }

  writtenAt(path: DocumentPath): string | undefined {
    const { node, isWhole } = findNode(this.#root, path);
    return isWhole ? node.plain : undefined;
  }
}

function reportTwins({ entries }: YamlNode, path: (string | number)[], problems: ProblemList): void {
  const keys = new Set<string | number>();
  for (const { key, node, isAlias } of entries) {
    if (keys.has(key)) problems.report([...path, key], note('given twice'), 'each key once');
    keys.add(key);
    // Where an alias leads it is looked at in its own place.
    if (isAlias || node.entries.length === 0) continue;
    path.push(key);
    reportTwins(node, path, problems);
    path.pop();
  }
}
