import { defined } from '../../base/defined';
import type { AnalysisResult, CheckResult } from '../../ops/rollout/analysis/verdict';
import type { RolloutDocument, RolloutStep } from '../../ops/rollout/document';
import type { RolloutProgress } from '../../ops/rollout/progress';
import { hasEnded, type RolloutRecord } from '../../ops/rollout/record';
import { sparkline } from '../describe';
import type { CommandIo } from '../io';
import { linesAround, linesThatFit, rowsOf, type ScreenSize } from '../wrap-text';

type Colors = CommandIo['colors'];

/** What a step is, in a few words. */
export function describeStep(step: RolloutStep, { canary }: RolloutDocument): string {
  if ('setWeight' in step) return `${canary} to ${step.setWeight} %`;
  if ('setRoute' in step) return `route ${step.setRoute.name} to ${canary}`;
  if ('analysis' in step) return 'analysis';
  return step.pause.durationMs === undefined ? 'pause until resumed' : `pause ${seconds(step.pause.durationMs)}`;
}

/** `running, step 3 of 7, canary at 25 %`, and what it waits for. */
export function describePlace({ state, step, weight, document, waitingFor }: RolloutProgress): string {
  const { steps, canary } = document;
  const place = step < steps.length ? `step ${step + 1} of ${steps.length}` : `all ${steps.length} steps done`;
  const why = 'message' in state ? ` (${state.message})` : '';
  const waiting = waitingFor === undefined ? '' : `; waits: ${waitingFor}`;
  return `${state.kind}${why}, ${place}, ${canary} at ${weight} %${waiting}`;
}

/** The lines that show a rollout: all of them, or the steps around the present one where there is no room for more. */
export function viewRollout(
  record: RolloutRecord,
  holder: string | undefined,
  colors: Colors,
  nowMs: number,
  room?: ScreenSize,
): readonly string[] {
  const { service, progress, startedBy } = record;
  const { document, step, state } = progress;
  const hasEndedWell = state.kind === 'completed';
  const mark = (at: number): string => {
    if (at < step || hasEndedWell) return colors.green('✓');
    if (at > step) return ' ';
    return state.kind === 'aborted' ? colors.red('✗') : colors.cyan('▶');
  };
  const steps = document.steps.map((each, at) => `  ${mark(at)} ${at + 1}  ${describeStep(each, document)}`);
  const driver = holder === undefined ? 'no controller drives it: run graylane rollout run' : `driven by ${holder}`;
  const isOver = state.kind === 'completed' || state.kind === 'aborted';
  const head = [
    `${colors.bold(service)} ${progress.id}  ${colored(state.kind, describePlace(progress), colors)}`,
    `  started ${seconds(nowMs - progress.startedAtMs)} ago by ${startedBy}${isOver ? '' : `; ${driver}`}`,
  ];
  const figures = viewResults(progress.results, document, colors);
  if (room === undefined) return [...head, ...steps, ...figures];
  const left = room.rows - rowsOf([...head, ...figures], room.columns);
  return linesThatFit([...head, ...linesAround(steps, step, Math.max(3, left)), ...figures], room);
}

/** Canary against stable over the latest measurements, and what the last of them says. */
function viewResults(results: readonly AnalysisResult[], document: RolloutDocument, colors: Colors): string[] {
  const last = results.at(-1);
  if (last === undefined) return [];
  const lines = last.checks.flatMap((check) => {
    const series = results.map((result) => result.checks.find((each) => each.check === check.check));
    const trend = (of: 'canary' | 'stable'): string | undefined => viewTrend(series, of, document[of]);
    const trends = [trend('canary'), trend('stable')].filter((each) => each !== undefined);
    return [
      `  ${check.check}  ${verdictOf(check, colors)}  ${check.message}`,
      ...(trends.length === 0 ? [] : [`    ${trends.join('   ')}`]),
    ];
  });
  return ['', ...lines];
}

/** `canary 99.1 % ▇▇▅▂`: the success rate of a success check, else the figure itself. */
function viewTrend(
  series: readonly (CheckResult | undefined)[],
  of: 'canary' | 'stable',
  name: string,
): string | undefined {
  const isRate = series.at(-1)?.check === 'request-success-rate';
  const values = series.map((check) => {
    const value = check?.figures?.[of];
    return value === undefined ? Number.NaN : isRate ? (1 - value) * 100 : value;
  });
  const now = values.at(-1);
  if (now === undefined || Number.isNaN(now)) return undefined;
  const isDuration = series.at(-1)?.check.startsWith('request-duration') === true;
  const shown = isRate
    ? `${now.toFixed(2)} %`
    : isDuration
      ? `${now.toFixed(1)} ms`
      : String(Number(now.toPrecision(4)));
  return `${name} ${shown} ${sparkline(values)}`;
}

function verdictOf({ verdict }: CheckResult, colors: Colors): string {
  if (verdict === 'pass') return colors.green(verdict);
  return verdict === 'fail' ? colors.red(verdict) : colors.yellow(verdict);
}

function colored(kind: RolloutProgress['state']['kind'], text: string, colors: Colors): string {
  if (kind === 'aborted') return colors.red(text);
  if (kind === 'completed') return colors.green(text);
  return kind === 'running' ? colors.cyan(text) : colors.yellow(text);
}

/** `50 ms`, `90 s`, `12 min`, `3 h` */
function seconds(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const whole = Math.round(milliseconds / 1000);
  if (whole < 120) return `${whole} s`;
  return whole < 7200 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`;
}

/** A rollout for `--json`. */
export function recordAsData(record: RolloutRecord, holder?: string): Record<string, unknown> {
  const { service, startedBy, progress } = record;
  const { id, state, step, weight, waitingFor, startedAtMs, results, document } = progress;
  return {
    service,
    id,
    startedBy,
    startedAt: new Date(startedAtMs).toISOString(),
    state,
    step,
    steps: document.steps,
    weight,
    hasEnded: hasEnded(progress),
    ...defined({ waitingFor }),
    controller: holder ?? null,
    results,
  };
}
