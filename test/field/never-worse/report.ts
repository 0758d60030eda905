import { writeFileSync } from 'node:fs';
import { type Cell, LEAST_CHANCE } from './judge';
import { chanceOfLoss, type Loss } from './noise';
import { FAULT_MS } from './run-scene';
import { ALGORITHMS, FAULTS, type Scene } from './scenes';
import { CALLS } from './workloads';

/** One cell with the figures of its first run. */
export interface JudgedCell extends Cell {
  readonly runs: number;
  /** In so many of its runs it was worse beyond chance. */
  readonly worseIn: number;
}

/** Prints each scene and the sums of each fault, and writes the cells as JSON to `NEVER_WORSE_JSON`, where that is set. */
export function reportCells(cells: readonly JudgedCell[]): void {
  const path = process.env['NEVER_WORSE_JSON'];
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(cells, undefined, 1)}\n`);
  const header = ['grpc-js', ...ALGORITHMS];
  console.log(
    [
      'calls lost of calls made, and the share of a healthy instance that is farthest from fair (1.00);',
      '! worse beyond chance in one run, !! in two, !!! in all three;',
      '~ the machine was too busy for 70 % of the calls: the scene tells little',
      ...tableOf([['scene', ...header], ...rowsOfScenes(cells)]),
      '',
      ...tableOf([['all scenes of a fault: lost', ...header], ...rowsOfFaults(cells)]),
    ].join('\n'),
  );
}

function rowsOfScenes(cells: readonly JudgedCell[]): string[][] {
  const names = [...new Set(cells.map(titleOf))];
  return names.map((name) => {
    const row = cells.filter((cell) => titleOf(cell) === name);
    const theirs = row[0]?.theirs;
    return [
      name,
      theirs === undefined
        ? ''
        : `${theirs.lost}/${theirs.made} ${theirs.worstShare.toFixed(2)}${isTelling(row[0] as Cell) ? '' : '~'}`,
      ...row.map(
        ({ ours, worseIn }) => `${ours.lost}/${ours.made} ${ours.worstShare.toFixed(2)}${'!'.repeat(worseIn)}`,
      ),
    ];
  });
}

/** A client whose event loop stands still makes fewer calls than it should, and finds no instance silent. */
function isTelling({ workload, theirs }: Cell): boolean {
  const perSecond = CALLS[workload].reduce((all, each) => all + each.perSecond, 0);
  return theirs.made >= (0.7 * perSecond * FAULT_MS) / 1_000;
}

/** Percent of the calls of all workloads and sizes; `*` where the sum is worse beyond chance. */
function rowsOfFaults(cells: readonly JudgedCell[]): string[][] {
  return FAULTS.filter((fault) => cells.some((cell) => cell.fault === fault)).map((fault) => {
    const of = (algorithm: string): Cell[] =>
      cells.filter((cell) => cell.fault === fault && cell.algorithm === algorithm);
    const theirs = sum(of(ALGORITHMS[0] as string).map((cell) => cell.theirs));
    const ours = ALGORITHMS.map((algorithm) => sum(of(algorithm).map((cell) => cell.ours)));
    const mark = (loss: Loss): string => (chanceOfLoss(loss, theirs) < LEAST_CHANCE ? '*' : '');
    return [fault, percent(theirs), ...ours.map((loss) => `${percent(loss)}${mark(loss)}`)];
  });
}

function titleOf({ fault, workload, size }: Scene): string {
  return `${fault}: ${workload}, ${size}`;
}

function sum(losses: readonly Loss[]): Loss {
  return losses.reduce<Loss>((all, { made, lost }) => ({ made: all.made + made, lost: all.lost + lost }), {
    made: 0,
    lost: 0,
  });
}

function percent({ made, lost }: Loss): string {
  return `${((100 * lost) / Math.max(1, made)).toFixed(1)} %`;
}

/** As a table in Markdown, which pages can quote. */
function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map(
    (row) => `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`,
  );
  return [lines[0] ?? '', `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.slice(1)];
}
