import { defined } from '../../base/defined';
import type { AnalysisResult, CheckResult } from '../../ops/rollout/analysis/verdict';
import type { RolloutDocument, RolloutStep } from '../../ops/rollout/document';
import type { RolloutProgress } from '../../ops/rollout/progress';
import { hasEnded, type RolloutRecord } from '../../ops/rollout/record';
import { sparkline } from '../describe';
import type { CommandIo } from '../io';
import { linesAround, linesThatFit, rowsOf, type ScreenSize } from '../wrap-text';

type Colors = CommandIo['colors'];
type Color = 'green' | 'red' | 'cyan' | 'yellow';

/** Of the states of a rollout; others are yellow. */
const STATE_COLORS: Readonly<Record<string, Color>> = { aborted: 'red', completed: 'green', running: 'cyan' };
const VERDICT_COLORS: Readonly<Record<string, Color>> = { pass: 'green', fail: 'red' };

/** A rollout as it was read. */
export interface FoundRollout {
  readonly record: RolloutRecord;
  /** The controller that drives it. */
  readonly holder: string | undefined;
  /** Undefined is the agent's own. */
  readonly datacenter: string | undefined;
}

/** What a step is, in a few words. */
export function describeStep(step: RolloutStep, { canary }: RolloutDocument): string {
  if ('setWeight' in step) return `${canary} to ${step.setWeight} %`;
  if ('setRoute' in step) return `route ${step.setRoute.name} to ${canary}`;
  if ('clearRoute' in step) return `route ${step.clearRoute} ends`;
  if ('setMirror' in step) {
    const { percent } = step.setMirror;
    return percent === 0 ? `no more copies to ${canary}` : `copies of ${percent} % to ${canary}`;
  }
  if ('analysis' in step) return 'analysis';
  if ('gate' in step) return `gate ${step.gate}`;
  if ('approval' in step) return `approval${step.approval.note === undefined ? '' : `: ${step.approval.note}`}`;
  return step.pause.durationMs === undefined ? 'pause until resumed' : `pause ${formatAge(step.pause.durationMs)}`;
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
  { room, name = record.service }: { readonly room?: ScreenSize | undefined; readonly name?: string } = {},
): readonly string[] {
  const { progress, startedBy } = record;
  const { document, step, state } = progress;
  const mark = (at: number): string => {
    if (at < step || state.kind === 'completed') return colors.green('✓');
    if (at > step) return ' ';
    return state.kind === 'aborted' ? colors.red('✗') : colors.cyan('▶');
  };
  const steps = document.steps.map((each, at) => `  ${mark(at)} ${at + 1}  ${describeStep(each, document)}`);
  const driver = holder === undefined ? 'no controller drives it: run graylane rollout run' : `driven by ${holder}`;
  const place = colors[STATE_COLORS[state.kind] ?? 'yellow'](describePlace(progress));
  const head = [
    `${colors.bold(name)} ${progress.id}  ${place}`,
    `  started ${formatAge(nowMs - progress.startedAtMs)} ago by ${startedBy}${hasEnded(progress) ? '' : `; ${driver}`}`,
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
  const lines = last.checks.flatMap(({ check, verdict, message }) => {
    const series = results.map((result) => result.checks.find((each) => each.check === check));
    const trends = (['canary', 'stable'] as const).flatMap((of) => viewTrend(check, series, of, document[of]) ?? []);
    const shown = colors[VERDICT_COLORS[verdict] ?? 'yellow'](verdict);
    return [`  ${check}  ${shown}  ${message}`, ...(trends.length === 0 ? [] : [`    ${trends.join('   ')}`])];
  });
  return ['', ...lines];
}

/** `canary 99.1 % ▇▇▅▂`: the success rate of a success check, else the figure itself. */
function viewTrend(
  check: string,
  series: readonly (CheckResult | undefined)[],
  of: 'canary' | 'stable',
  name: string,
): string | undefined {
  const isRate = check === 'request-success-rate';
  const values = series.map((each) => {
    const value = each?.figures?.[of];
    return value === undefined ? Number.NaN : isRate ? (1 - value) * 100 : value;
  });
  const now = values.at(-1);
  if (now === undefined || Number.isNaN(now)) return undefined;
  const plain = check.startsWith('request-duration') ? `${now.toFixed(1)} ms` : String(Number(now.toPrecision(4)));
  return `${name} ${isRate ? `${now.toFixed(2)} %` : plain} ${sparkline(values)}`;
}

/** `50 ms`, `90 s`, `12 min`, `3 h` */
export function formatAge(milliseconds: number): string {
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
    ...{ service, id, startedBy, startedAt: new Date(startedAtMs).toISOString() },
    ...{ state, step, steps: document.steps, weight, hasEnded: hasEnded(progress) },
    ...defined({ waitingFor }),
    ...{ controller: holder ?? null, results },
  };
}
