import Table from 'cli-table3';
import { sumOf } from './describe';
import { visibleWidth, wrapText } from './wrap-text';

/** The characters that cli-table3 draws lines with. */
const LINES =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const NO_LINES = { ...Object.fromEntries(LINES.split(' ').map((name) => [name, ''])), middle: '  ' };
const GAP = 2;

/**
 * Columns without lines, which `awk` and eyes both read. Loaded only when there is a table to show. With a `width` that
 * they do not fit, cells are wrapped between words; where not even their longest words fit side by side, each row
 * becomes a block of lines. A word is never broken. Without a width (a pipe) a row is a line.
 */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number = Number.POSITIVE_INFINITY,
): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll('\n', ' ')));
  const widths = fitColumns([head, ...cells], width);
  if (widths === 'blocks') return renderBlocks(head, cells, width);
  const table = new Table({
    head: [...head],
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    ...(widths === undefined ? {} : { colWidths: [...widths], wordWrap: true }),
  });
  for (const row of cells) table.push(row);
  return table.toString().replace(/ +$/gm, '');
}

/** Width of each column; undefined: as wide as they are. */
function fitColumns(lines: readonly (readonly string[])[], width: number): readonly number[] | 'blocks' | undefined {
  const columns = (lines[0] ?? []).map((_, at) => lines.map((line) => line[at] ?? ''));
  const natural = columns.map((cells) => Math.max(...cells.map(visibleWidth)));
  const room = width - GAP * (columns.length - 1);
  if (sumOf(natural) <= room) return undefined;
  const least = columns.map((cells) => Math.max(...cells.flatMap((cell) => cell.split(' ').map(visibleWidth))));
  let spare = room - sumOf(least);
  if (spare < 0) return 'blocks';
  const widths = [...least];
  // Those that need the least first: they are then whole, and few columns are wrapped.
  const need = (at: number): number => (natural[at] ?? 0) - (least[at] ?? 0);
  for (const at of widths.map((_, index) => index).sort((a, b) => need(a) - need(b))) {
    const given = Math.min(need(at), spare);
    widths[at] = (least[at] ?? 0) + given;
    spare -= given;
  }
  return widths;
}

function renderBlocks(head: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  const indent = Math.max(...head.map(visibleWidth)) + GAP;
  const blocks = rows.map((row) =>
    head.flatMap((name, at) => {
      const cell = row[at] ?? '';
      if (cell === '') return [];
      const lines = wrapText(cell, Math.max(1, width - indent));
      const label = `${name}${' '.repeat(indent - visibleWidth(name))}`;
      // A word too long for the second column may fit on a line of its own.
      if (lines.some((line) => visibleWidth(line) > width - indent)) return [name, ...wrapText(cell, width)];
      return lines.map((line, index) => `${index === 0 ? label : ' '.repeat(indent)}${line}`);
    }),
  );
  return blocks.length === 0 ? head.join('\n') : blocks.map((lines) => lines.join('\n')).join('\n\n');
}
