import type { ServiceTraffic } from '../../client/admin/page/page-view';
import type { ServiceCharts } from '../../ops/console/answers';
import { chartsOf } from '../../ops/console/charts';
import { CommandError } from '../command';
import { shownUrl } from '../fetch-json';
import { trafficOf } from '../inspect/running-process';

const STEP_MS = 5_000;
/** A process keeps as much. */
const STEPS = 120;

/** The sum of what the processes count themselves, over their last minutes. Throws a CommandError when none answers. */
export async function chartsOfProcesses(urls: readonly URL[], service: string, nowMs: number): Promise<ServiceCharts> {
  const answers = await Promise.all(urls.map((url) => trafficOf(url, service)));
  const heard = answers.flatMap((answer) => ('body' in answer ? [answer.body] : []));
  const [first] = answers;
  if (heard.length === 0 && first !== undefined && 'failure' in first && urls[0] !== undefined) {
    throw new CommandError(2, `no process answers: ${shownUrl(urls[0])}: ${first.failure}`, 'check --url');
  }
  return sumOf(heard.flat(), nowMs);
}

/** Processes end their steps at moments of their own: each counts with its rate in the step that a moment is in. */
export function sumOf(told: readonly ServiceTraffic[], nowMs: number): ServiceCharts {
  const end = Math.floor(nowMs / STEP_MS) * STEP_MS - STEP_MS;
  const times = Array.from({ length: STEPS + 1 }, (_, at) => end - (STEPS - at) * STEP_MS);
  const places = told.map((each) => times.map((time) => placeOf(each, time)));
  const subsets = [...new Set(told.flatMap(({ subsets: own }) => own.map(({ subset }) => subset)))].sort();
  return chartsOf(times, STEP_MS, subsets, (subset) => {
    const own = told.map((each) => each.subsets.find((line) => line.subset === subset));
    const rateAt = (key: 'attempts' | 'failed', at: number): number | null => {
      let sum: number | null = null;
      for (const [index, line] of own.entries()) {
        const place = places[index]?.[at];
        if (place !== undefined) sum = (sum ?? 0) + ((line?.[key][place.step] ?? 0) * 1_000) / place.lastedMs;
      }
      return sum;
    };
    return { ended: times.map((_, at) => rateAt('attempts', at)), failed: times.map((_, at) => rateAt('failed', at)) };
  });
}

interface Place {
  readonly step: number;
  readonly lastedMs: number;
}

/** The step that a moment is in; undefined: none was under way. */
function placeOf({ times, stepMs }: ServiceTraffic, time: number): Place | undefined {
  const step = times.findIndex((end) => end >= time);
  const end = times[step];
  if (end === undefined) return undefined;
  const begin = times[step - 1] ?? end - stepMs;
  return begin < time ? { step, lastedMs: end - begin } : undefined;
}
