import { defined } from '../../../base/defined';
import type {
  AnalysisDocument,
  CheckDocument,
  DurationCheck,
  RolloutDocument,
  RolloutStep,
  SuccessRateCheck,
} from '../document';

/** An analysis with all defaults applied. */
export interface AnalysisSettings extends Required<AnalysisDocument> {
  readonly missRate: number;
}

const DEFAULT_CHECKS: readonly CheckDocument[] = [
  { check: 'request-success-rate' },
  { check: 'request-duration' },
  { check: 'breaker-open' },
];

const DEFAULTS: Required<AnalysisDocument> = {
  intervalMs: 30_000,
  count: 5,
  initialDelayMs: 0,
  minimumCalls: 100,
  consecutiveErrorLimit: 4,
  inconclusiveLimit: 10,
  acceptance: 'proven',
  checks: DEFAULT_CHECKS,
};

const DEFAULT_FALSE_ALARM_RATE = 0.01;
const DEFAULT_MISS_RATE = 0.01;
const DEFAULT_THRESHOLD = 1;
export const DEFAULT_QUANTILE = 'p99';
/** Percent. */
export const DEFAULT_DIFFERING = 0.1;
const DEFAULT_FACTOR = 1.5;

/** The settings of an analysis: its own over those of the document over the defaults. */
export function resolveAnalysis(document: RolloutDocument, step: AnalysisDocument = {}): AnalysisSettings {
  const { background, falseAlarmRate, missRate, provider, ...common } = document.analysis ?? {};
  return { ...DEFAULTS, ...common, ...step, missRate: missRate ?? DEFAULT_MISS_RATE };
}

/** The settings during pauses: built-in checks only, because other checks have limits that count measurements. */
export function resolveBackground(document: RolloutDocument): AnalysisSettings | undefined {
  if (document.analysis?.background === false) return undefined;
  const settings = resolveAnalysis(document);
  const checks = settings.checks.filter(({ check }) => check !== 'value');
  return checks.length === 0 ? undefined : { ...settings, checks };
}

/** The limits of a check, the default applied where it has none. */
export function limitsOfSuccess({
  threshold,
  minimum,
}: SuccessRateCheck): Pick<SuccessRateCheck, 'threshold' | 'minimum'> {
  if (minimum !== undefined) return defined({ threshold, minimum });
  return { threshold: threshold ?? DEFAULT_THRESHOLD };
}

export function limitsOfDuration({ factor, maximumMs }: DurationCheck): Pick<DurationCheck, 'factor' | 'maximumMs'> {
  if (maximumMs !== undefined) return defined({ factor, maximumMs });
  return { factor: factor ?? DEFAULT_FACTOR };
}

/** The number of limits that can raise a false alarm; each gets an equal part of the rate. */
export function chanceLimits({ checks }: AnalysisSettings): number {
  const counts = checks.map((check): number => {
    if (check.check === 'request-success-rate') return Object.keys(limitsOfSuccess(check)).length;
    if (check.check === 'mirror-compare') return 1;
    return check.check === 'request-duration' ? Object.keys(limitsOfDuration(check)).length : 0;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The false alarm rate of the analysis with this ordinal (from 0). Each planned analysis gets an equal part. One more
 * part is for analyses that a `resume` or a closed gate adds, each of which gets half of what is left. Together they never exceed the
 * stated rate.
 */
export function falseAlarmPart(document: RolloutDocument, ordinal: number): number {
  const hasBackground = resolveBackground(document) !== undefined;
  const isPlanned = (step: RolloutStep): boolean =>
    'analysis' in step || (hasBackground && ('pause' in step || 'approval' in step || 'gate' in step));
  const planned = document.steps.filter(isPlanned).length;
  const part = (document.analysis?.falseAlarmRate ?? DEFAULT_FALSE_ALARM_RATE) / (planned + 1);
  return ordinal < planned ? part : part / 2 ** Math.min(60, ordinal - planned + 1);
}

export function nameOfCheck(check: CheckDocument): string {
  if (check.check === 'value') return check.name;
  if (check.check === 'request-duration') return `request-duration ${check.quantile ?? DEFAULT_QUANTILE}`;
  return check.check;
}
