import { stripVTControlCharacters } from 'node:util';

/** Two columns wide in a terminal. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/g;
/** Extra indentation of the lines after the first one. */
const HANGING = 2;

/** Columns of a terminal; colours take none. */
export function visibleWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  return plain.length + (plain.match(WIDE)?.length ?? 0);
}

/** Breaks a text between words, so that no line is wider than `width` unless a word is. */
export function wrapText(text: string, width: number): readonly string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, width, ''));
}

/** The same for free text of a command: what a line is continued by is indented a little more than the line. */
export function wrapLines(text: string, width: number): readonly string[] {
  return text.split('\n').flatMap((line) => {
    if (visibleWidth(line) <= width) return [line];
    const indent = stripVTControlCharacters(line).search(/[^ ]/);
    const hanging = indent + HANGING > width / 2 ? 0 : indent + HANGING;
    return wrapLine(line, width, ' '.repeat(hanging));
  });
}

function wrapLine(line: string, width: number, hanging: string): readonly string[] {
  const lines: string[] = [];
  for (const word of line.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (visibleWidth(last) + 1 + visibleWidth(word) <= width) lines.push(`${lines.pop()} ${word}`);
    // Drops the spaces at a break.
    else if (word !== '') lines.push(visibleWidth(hanging) + visibleWidth(word) <= width ? `${hanging}${word}` : word);
  }
  return lines.map((each) => each.trimEnd());
}

/** The size of the terminal. A live view that is larger would scroll its first lines away. */
export interface ScreenSize {
  readonly rows: number;
  readonly columns: number;
}

/** Rows that the lines take, those that a long line wraps into included. */
export function rowsOf(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + heightOf(line, columns), 0);
}

/** The lines around the one at `at`, as many as there are rows for, and how many were left out on either side. */
export function linesAround(lines: readonly string[], at: number, rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const shown = Math.max(1, rows - 2);
  const from = Math.max(0, Math.min(at - Math.floor(shown / 2), lines.length - shown));
  const after = lines.length - from - shown;
  return [
    ...(from === 0 ? [] : [`    … ${from} before`]),
    ...lines.slice(from, from + shown),
    ...(after === 0 ? [] : [`    … ${after} after`]),
  ];
}

/** The first lines, as many as fit. */
export function linesThatFit(lines: readonly string[], { rows, columns }: ScreenSize): readonly string[] {
  let left = rows;
  const end = lines.findIndex((line) => {
    left -= heightOf(line, columns);
    return left < 0;
  });
  return end === -1 ? lines : lines.slice(0, end);
}

/** As `line()` of the command prints it: wrapped between words, and by the terminal where a word is too long. */
function heightOf(line: string, columns: number): number {
  const rows = wrapLines(line, columns).map((each) => Math.max(1, Math.ceil(visibleWidth(each) / columns)));
  return rows.reduce((sum, each) => sum + each, 0);
}
