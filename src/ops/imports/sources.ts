import { LineStarts, type Position } from '../../base/line-starts';
import { DOCUMENT_SEPARATOR, isBlankYaml, readYaml } from '../../base/yaml';
import { findNode, YamlError } from '../../base/yaml-nodes';
import type { DocumentPath } from '../../policy/problems';

/** A text that is imported, and how messages call it: a file's name, or `-`. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** One document of a text. */
export interface SourceDocument {
  readonly file: string;
  /** Its position among the documents of the text; the first is 1. */
  readonly document: number;
  readonly value: unknown;
  /** Where a part stands in the text, or the nearest part around it. Undefined where that is not known. */
  locate(path: DocumentPath): Position | undefined;
  /** What the author wrote for a value that is no text, such as `1.0` for the number 1. */
  writtenAt(path: DocumentPath): string | undefined;
}

/** A document that could not be read. */
export interface SourceFault extends Partial<Position> {
  readonly file: string;
  readonly document: number;
  readonly message: string;
}

interface ReadSources {
  readonly documents: readonly SourceDocument[];
  readonly faults: readonly SourceFault[];
}

/** Lists of a whole cluster have a few million. */
const MAX_SOURCE_CHARACTERS = 16_000_000;
/** Above it, JSON is read without positions, by the parser of the platform. */
const MOST_WITH_POSITIONS = 1_000_000;
/** Aliases inside aliases multiply; beyond it a document is taken for one that explodes. */
const MOST_ALIASED = 1_000_000;
/** Of a value, and not of a template. */
const JSON_BEGINS = /^\s*(?:\{\s*["}]|\[)/;
/** Between values of JSON that follow one another. */
const NEXT_JSON = /(?<=^[}\]]|[}\]])[ \t]*\r?\n\s*(?=[{[])/;
/** A placeholder of Helm, Jinja, Go or Mustache, outside of comments. */
const TEMPLATE = /\{\{[-~#/%]?\s*[\w.$"'(]|\{%[-+]?\s*\w/;
/** A placeholder of envsubst, Kustomize or a shell that is a whole value or begins one. */
const VARIABLE = /^\s*(?:-\s+)?["']?[\w./-]*["']?:?\s*["']?\$[{(][A-Za-z_]\w*[})]/;

/**
 * Reads the documents of YAML and JSON texts, each by itself: one that is broken leaves the others. Merge keys (`<<`)
 * and aliases are followed. `placeholders`: of the rules themselves, which make no template of a text. Never throws.
 */
export function readSources(texts: readonly SourceText[], placeholders?: RegExp): ReadSources {
  const documents: SourceDocument[] = [];
  const faults: SourceFault[] = [];
  for (const { file, text } of texts) {
    if (text.length > MAX_SOURCE_CHARACTERS) {
      const message = `${text.length} characters (expected: at most ${MAX_SOURCE_CHARACTERS})`;
      faults.push({ file, document: 1, message });
      continue;
    }
    let document = 0;
    for (const piece of piecesOf(text.startsWith('\uFEFF') ? text.slice(1) : text)) {
      if (isBlankYaml(piece.text)) continue;
      document += 1;
      const read = readPiece(piece, file, document, placeholders);
      if ('message' in read) faults.push(read);
      else if (read.value !== null && read.value !== undefined) documents.push(read);
    }
  }
  return { documents, faults };
}

interface Piece {
  readonly text: string;
  /** Lines of the text before it. */
  readonly lines: number;
}

function piecesOf(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let lines = 0;
  const add = (part: string): void => {
    pieces.push({ text: part, lines });
    lines += part.split('\n').length - 1;
  };
  for (const part of text.split(DOCUMENT_SEPARATOR)) {
    const isJson = JSON_BEGINS.test(part) && NEXT_JSON.test(part) && !isJsonText(part);
    if (!isJson) add(part);
    // What parts two values is a line break: it counts for the second.
    else for (const [index, each] of part.split(NEXT_JSON).entries()) add(index === 0 ? each : `\n${each}`);
  }
  return pieces;
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function readPiece(
  { text, lines }: Piece,
  file: string,
  document: number,
  placeholders: RegExp | undefined,
): SourceDocument | SourceFault {
  const template = templateIn(placeholders === undefined ? text : text.replace(placeholders, ''));
  if (template !== undefined) {
    const message = `a template: ${JSON.stringify(template.text)} (expected: what it is rendered to, as of helm template or kustomize build); left out`;
    return { file, document, line: lines + template.line, column: 1, message };
  }
  if (text.length > MOST_WITH_POSITIONS && isJsonText(text)) {
    return { file, document, value: JSON.parse(text), locate: () => undefined, writtenAt: () => undefined };
  }
  const starts = new LineStarts(text);
  const positionAt = (offset: number): Position => {
    const { line, column } = starts.positionAt(offset);
    return { line: lines + line, column };
  };
  try {
    const { value, root } = readYaml(text, { merge: true, mostAliased: MOST_ALIASED });
    return {
      file,
      document,
      value,
      locate(path) {
        const { start } = findNode(root, path, plainKey);
        return start === undefined ? undefined : positionAt(start);
      },
      writtenAt(path) {
        const { node, isWhole } = findNode(root, path, plainKey);
        return isWhole ? node.plain : undefined;
      },
    };
  } catch (error) {
    const [why, offset] = error instanceof YamlError ? [error.message, error.offset] : ['a syntax error', 0];
    return { file, document, ...positionAt(offset), message: `${why} (expected: YAML or JSON); left out` };
  }
}

/** One spelling for `PathPrefix`, `pathPrefix` and `path_prefix`: paths may be told in another than the text's. */
export function plainKey(key: string): string {
  return key.replaceAll('_', '').toLowerCase();
}

function templateIn(text: string): { readonly text: string; readonly line: number } | undefined {
  if (!text.includes('{{') && !text.includes('{%') && !text.includes('$')) return undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*#/.test(line)) continue;
    if (TEMPLATE.test(line) || VARIABLE.test(line)) return { text: line.trim().slice(0, 60), line: index + 1 };
  }
  return undefined;
}
