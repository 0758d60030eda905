import { MAX_DOCUMENT_BYTES } from './limits';
import { parseJson } from './parse-json';
import { parseYaml, parseYamlStream } from './parse-yaml';
import { utf8Length } from './plain-data';
import { note, type ParsedText, ProblemList } from './problems';

/**
 * Parses a document's text and says where in it everything stands. A byte-order mark is ignored; bytes must be valid
 * UTF-8. Never throws. `document` is what messages call it; `most`: its bytes.
 */
export function parseDocumentText(
  text: string | Uint8Array,
  format: 'json' | 'yaml',
  document = 'policy',
  most: number = MAX_DOCUMENT_BYTES,
): ParsedText {
  const source = sourceOf(text, document, most);
  if (typeof source !== 'string') return source;
  return format === 'json' ? parseJson(source, document) : parseYaml(source, document);
}

/**
 * Every document of a text, at least one: YAML may hold several, parted by `---`. Positions are those of the whole
 * text.
 */
export function parseDocumentTexts(text: string | Uint8Array, format: 'json' | 'yaml'): readonly ParsedText[] {
  if (format === 'json') return [parseDocumentText(text, format)];
  const source = sourceOf(text, 'policy', MAX_DOCUMENT_BYTES);
  if (typeof source !== 'string') return [source];
  return parseYamlStream(source, 'policy');
}

/** The text without a byte-order mark; what is wrong with it when there is nothing to parse. */
function sourceOf(text: string | Uint8Array, document: string, most: number): string | ParsedText {
  const size = typeof text === 'string' ? utf8Length(text) : text.byteLength;
  if (size > most) return refuse(document, `${size} bytes`, `at most ${most} bytes`);
  const decoded = decode(text);
  if (isUtf16(text)) return refuse(document, 'UTF-16', 'UTF-8');
  if (decoded === undefined) return refuse(document, 'bytes that are not UTF-8', 'UTF-8');
  const source = decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded;
  if (source.trim() === '') return refuse(document, 'blank', `a ${document} document`);
  return source;
}

/** As `>` writes it in older PowerShells, with a byte-order mark or without: every other byte of plain text is 0. */
function isUtf16(text: string | Uint8Array): boolean {
  if (typeof text === 'string') return false;
  const [first, second, third, fourth] = text;
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return isMarked || (second === 0 && fourth === 0) || (first === 0 && third === 0);
}

function decode(text: string | Uint8Array): string | undefined {
  if (typeof text === 'string') return text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    return undefined;
  }
}

function refuse(document: string, value: string, expected: string): ParsedText {
  const list = new ProblemList(undefined, document);
  list.report([], note(value), expected);
  return { value: undefined, positions: { locate: () => undefined }, problems: list.problems };
}
