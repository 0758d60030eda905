import { visibleWidth, wrapLines } from './wrap-text';

/** What a live view has to fit into: what does not would scroll its first lines away. */
export interface Room {
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
export function linesThatFit(lines: readonly string[], { rows, columns }: Room): readonly string[] {
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
