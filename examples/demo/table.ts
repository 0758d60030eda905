import { stripVTControlCharacters, styleText } from 'node:util';
import type { BreakerState } from 'graylane';
import type { Figures, StepView } from './figures';
import type { Instance } from './fleet';

type Style = Parameters<typeof styleText>[0];

const COLUMN = 38;
const SPLIT_BAR = 44;
const RATE_BAR = 12;
const STABLE: Style = 'cyan';
const CANARY: Style = 'yellow';

/** The whole picture as lines of at most 80 columns; always the same number of them, 24 with all steps. */
export function drawTable(figures: Figures, heading: string): readonly string[] {
  const { calls, lost, gray, medianMs, seconds } = figures;
  return [
    spread(paint('bold', ' graylane') + paint('dim', `  ${heading}`), paint('dim', `${seconds.toFixed(1)} s`)),
    ...drawSplit(figures),
    ...drawDatacenters(figures),
    ` ${paint('bold', String(calls))} calls   ${paint(lost === 0 ? ['green', 'bold'] : ['red', 'bold'], `${lost} lost`)}   ` +
      `${gray.canary} of ${gray.sent} gray calls on the canary   median ${medianMs.toFixed(1)} ms`,
    ...figures.steps.flatMap(drawStep),
  ];
}

function drawSplit({ canaryPercent, weightPercent }: Figures): readonly string[] {
  const canary = Math.round((canaryPercent / 100) * SPLIT_BAR);
  const bar = paint(STABLE, '█'.repeat(SPLIT_BAR - canary)) + paint(CANARY, '█'.repeat(canary));
  const shares = `${paint(STABLE, `stable ${(100 - canaryPercent).toFixed(0)} %`)}  ${paint(CANARY, `canary ${canaryPercent.toFixed(0)} %`)}`;
  return [` ${bar}  ${shares}`, paint('dim', ` policy: stable ${100 - weightPercent}, canary ${weightPercent}`)];
}

/** Two datacenters beside one another. */
function drawDatacenters({ instances, rates, canaryBreakers }: Figures): readonly string[] {
  const names = [...new Set(instances.map((instance) => instance.datacenter))];
  const columns = names.map((name, index) => {
    const own = instances.filter((instance) => instance.datacenter === name);
    const total = own.reduce((sum, instance) => sum + (rates.get(instance.id) ?? 0), 0);
    const title = `${paint('bold', name)}${index === 0 ? paint('dim', ' local') : ''}`;
    return [
      ` ${title}${paint('dim', `  ${total}/s`)}${drawBreaker(canaryBreakers.get(name))}`,
      ...own.map((instance) => drawInstance(instance, rates.get(instance.id) ?? 0)),
    ];
  });
  const height = Math.max(...columns.map((column) => column.length));
  return Array.from({ length: height }, (_, row) => columns.map((column) => pad(column[row] ?? '', COLUMN)).join('  '));
}

/** Of the whole canary: nothing while it is closed. */
function drawBreaker(state: BreakerState | undefined): string {
  if (state === undefined || state === 'closed') return '';
  return `  ${paint(state === 'open' ? 'red' : CANARY, `canary ${state}`)}`;
}

function drawInstance({ id, version, datacenter, isAlive }: Instance, rate: number): string {
  const name = id.slice(datacenter.length + 1).padEnd(9);
  if (!isAlive) return ` ${paint('red', '✗')} ${paint('dim', name)} ${paint('red', 'killed')}`;
  const style = version === 'canary' ? CANARY : STABLE;
  const length = Math.min(RATE_BAR, Math.ceil(rate / 10));
  return ` ${paint(style, '●')} ${name} ${paint(style, '▪'.repeat(length))}${paint('dim', '·'.repeat(RATE_BAR - length))} ${String(rate).padStart(3)}/s`;
}

function drawStep({ step, state, finding, lost }: StepView): readonly string[] {
  const mark = {
    waiting: paint('dim', '·'),
    running: paint('bold', '▸'),
    held: paint('green', '✓'),
    failed: paint('red', '✗'),
  };
  const title = state === 'waiting' ? paint('dim', step.title) : step.title;
  const detail = finding === undefined ? '' : `${finding.detail}${describeSettling(finding.settleMs)}; ${lost} lost`;
  // A line that wraps would spoil what is drawn above it.
  return [` ${mark[state]} ${title}`, `   ${paint('dim', detail.slice(0, 2 * COLUMN + 1))}`];
}

/** `; settled in 14 ms`, or nothing for what needed no time. */
export function describeSettling(settleMs: number): string {
  return settleMs > 0 ? `; settled in ${Math.round(settleMs)} ms` : '';
}

function spread(left: string, right: string): string {
  return pad(left, 2 * COLUMN + 2 - widthOf(right)) + right;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

function paint(style: Style, text: string): string {
  return process.env['NO_COLOR'] === undefined || process.env['NO_COLOR'] === '' ? styleText(style, text) : text;
}
