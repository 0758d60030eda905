import { HttpError } from '../../base/http-json';
import type { ServiceCharts } from '../../ops/console/answers';
import { chartsOf } from '../../ops/console/charts';
import { ConsoleProblem } from '../../ops/console/operation';
import { queryPrometheusRange, type Range, type Series } from '../../ops/prometheus';
import { CommandError } from '../command';
import { shownUrl, withoutCredentials } from '../fetch-json';

/** Of steps of 8 s: a canary that has just begun is seen at the next look. */
const DEFAULT_MINUTES = 15;
const MOST_MINUTES = 7 * 24 * 60;
const POINTS = 120;
const LEAST_STEP_SECONDS = 5;
const TIME_LIMIT_MS = 5_000;
/** By OpenTelemetry's conventions now, and before. */
const STATUS = ['rpc_status_code', 'rpc_response_status_code'] as const;

/** Throws a CommandError when Prometheus does not say, and a ConsoleProblem for minutes that are no such number. */
export async function readCharts(
  prometheus: URL,
  service: string,
  minutes: string | null,
  nowMs: number,
): Promise<ServiceCharts> {
  const given = minutes === null ? DEFAULT_MINUTES : Number(minutes);
  if (!Number.isInteger(given) || given < 1 || given > MOST_MINUTES) {
    throw new ConsoleProblem(400, `minutes: not 1 to ${MOST_MINUTES}`);
  }
  const stepMs = Math.max(LEAST_STEP_SECONDS, Math.ceil((given * 60) / POINTS)) * 1000;
  // Whole steps, so that two looks at the same past have the same values.
  const range = { endMs: Math.floor(nowMs / stepMs) * stepMs, stepMs, steps: Math.floor((given * 60_000) / stepMs) };
  const of = `graylane_service=~${JSON.stringify(`${quoted(service)}([?].*)?`)}`;
  const window = `${Math.max(60, (stepMs / 1000) * 2)}s`;
  const ended = `sum by (graylane_subset, ${STATUS.join(', ')}) (rate(graylane_attempts_total{${of}}[${window}]))`;
  const server = { ...withoutCredentials(prometheus), method: 'POST', timeoutMs: TIME_LIMIT_MS } as const;
  try {
    return chartsOfSeries(await queryPrometheusRange(server, ended, range), range);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new CommandError(2, `Prometheus at ${shownUrl(prometheus)}: ${error.message}`, 'check --prometheus');
  }
}

/** For a regular expression. */
function quoted(service: string): string {
  return service.replace(
    /[\\^$.*+?()[\]{}|]/g,
    (found) => `[${found === '\\' || found === '^' ? `\\${found}` : found}]`,
  );
}

function chartsOfSeries(series: readonly Series[], { endMs, stepMs, steps }: Range): ServiceCharts {
  const places = Array.from({ length: steps + 1 }, (_, at) => at);
  const times = places.map((at) => endMs - (steps - at) * stepMs);
  const subsets = [...new Set(series.map(({ labels }) => labels['graylane_subset'] ?? ''))].sort();
  const sumAt = (of: readonly Series[], at: number): number | null => {
    const values = of.flatMap(({ values: byStep }) => byStep.get(at) ?? []).filter(Number.isFinite);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
  };
  return chartsOf(times, stepMs, subsets, (subset) => {
    const own = series.filter(({ labels }) => (labels['graylane_subset'] ?? '') === subset);
    const bad = own.filter(({ labels }) => !STATUS.some((name) => labels[name] === 'OK'));
    return { ended: places.map((at) => sumAt(own, at)), failed: places.map((at) => sumAt(bad, at)) };
  });
}
