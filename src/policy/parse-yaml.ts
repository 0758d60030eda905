import { LineStarts, type Position } from '../base/line-starts';
import { DOCUMENT_SEPARATOR, isBlankYaml, readYaml, type YamlDocument } from '../base/yaml';
import { findNode, YamlError, type YamlNode } from '../base/yaml-nodes';
import { type DocumentPath, note, type ParsedText, type Positions, ProblemList } from './problems';

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
    problems.report([], note('not YAML'), `YAML 1.2; ${read.message}`);
    return { value: undefined, positions, problems: problems.problems };
  }
  const positions = new YamlPositions(read.root, lines, begin);
  const problems = new ProblemList(positions, noun);
  reportTwins(read.root, [], problems);
  return { value: read.value, positions, problems: problems.problems };
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
