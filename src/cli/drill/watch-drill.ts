import type { FaultView } from '../../client/balancer/faults/fault-state';
import type { Sample } from '../../ops/prometheus';
import { CommandError } from '../command';
import { sumOf } from '../describe';
import { queryAll, shownUrl } from '../fetch-json';
import { checkSources, type FleetSources } from '../flags';
import { inspectProcess } from '../inspect/running-process';
import { type CommandIo, fields } from '../io';
import { liveScreen } from '../live-screen';

const WINDOW = '1m';

/** One fault over all processes that tell of it. */
interface DrillRow {
  readonly name: string;
  /** RFC 3339; undefined: the source does not tell. */
  readonly until?: string;
  readonly processes: number;
  /** Processes in which its `stopAbove` has stopped it. */
  readonly stopped: number;
  readonly hitAttempts: number;
  /** Calls that it concerns. */
  readonly calls: number;
  readonly failed: number;
  readonly savedByRetry: number;
  readonly savedByFallback: number;
  readonly savedByBreaker: number;
  readonly delayed: number;
}

interface DrillReport {
  readonly service: string;
  /** What the numbers count. */
  readonly since: 'the begin of the drill' | 'one minute ago';
  readonly rows: readonly DrillRow[];
  /** Why clients stopped a drill, each as a sentence. */
  readonly stops: readonly string[];
  /** Processes that did not answer, each as a sentence. */
  readonly failures: readonly string[];
}

/** `drill watch`. */
export async function watchDrill(
  service: string,
  flags: FleetSources & { readonly once?: boolean },
  io: CommandIo,
): Promise<void> {
  checkSources(flags);
  const show = async (screen: CommandIo): Promise<void> => draw(await look(service, flags), screen);
  if (flags.once === true) await show(io);
  else await liveScreen(show, io);
}

async function look(service: string, { prometheus, url = [] }: FleetSources): Promise<DrillReport> {
  if (prometheus === undefined) return byUrls(service, url);
  const report = await byPrometheus(service, prometheus);
  if (!('failure' in report)) return report;
  throw new CommandError(2, `Prometheus at ${shownUrl(prometheus)}: ${report.failure}`, 'check --prometheus');
}

/** Asks each process. */
async function byUrls(service: string, urls: readonly URL[]): Promise<DrillReport> {
  const failures: string[] = [];
  const stops: string[] = [];
  const found: { readonly process: string; readonly fault: FaultView }[] = [];
  await Promise.all(
    urls.map(async (url) => {
      const process = shownUrl(url);
      const answer = await inspectProcess(url);
      if ('failure' in answer) failures.push(`${process}: ${answer.failure}`);
      else {
        // A process of an older version knows no faults.
        const own = answer.body.services.filter((one) => one.service === service);
        for (const fault of own.flatMap(({ faults = [] }) => faults)) found.push({ process, fault });
      }
    }),
  );
  for (const { process, fault } of found) {
    if (fault.stoppedBecause !== undefined) stops.push(`${process} stopped ${fault.name}: ${fault.stoppedBecause}`);
  }
  const keys = new Map(found.map(({ fault: { name, until } }) => [`${name}\n${until}`, { name, until }]));
  const rows = [...keys.values()].map(({ name, until }): DrillRow => {
    const own = found.filter(({ fault }) => fault.name === name && fault.until === until);
    const sum = (count: (fault: FaultView) => number): number => sumOf(own.map(({ fault }) => count(fault)));
    return {
      ...{ name, until, processes: new Set(own.map(({ process }) => process)).size },
      stopped: sum(({ state }) => Number(state === 'stopped')),
      hitAttempts: sum((fault) => fault.hitAttempts),
      calls: sum((fault) => fault.calls),
      failed: sum((fault) => fault.failed),
      savedByRetry: sum((fault) => fault.savedByRetry),
      savedByFallback: sum((fault) => fault.savedByFallback),
      savedByBreaker: sum((fault) => fault.savedByBreaker),
      delayed: sum((fault) => fault.delayed),
    };
  });
  return { service, since: 'the begin of the drill', rows, stops: stops.sort(), failures: failures.sort() };
}

/** By the counters and gauges of docs/observability.md, over the last minute. */
async function byPrometheus(service: string, url: URL): Promise<DrillReport | { readonly failure: string }> {
  const of = `{graylane_service=~"${service.replaceAll('.', '[.]')}([?].*)?"}`;
  const answers = await queryAll(url, [
    `sum by (graylane_fault) (increase(graylane_faults_total${of}[${WINDOW}]))`,
    `sum by (graylane_fault, graylane_outcome) (increase(graylane_fault_calls_total${of}[${WINDOW}]))`,
    `sum by (graylane_fault) (graylane_fault_stopped${of})`,
    `count by (graylane_fault) (count by (graylane_fault, job, instance) (graylane_fault_stopped${of}))`,
  ]);
  if ('failure' in answers) return answers;
  const [hits = [], calls = [], stopped = [], processes = []] = answers;
  const nameOf = ({ labels }: Sample): string => labels['graylane_fault'] ?? '';
  const names = [...new Set([...hits, ...calls, ...processes].map(nameOf))].sort();
  const rows = names.map((name): DrillRow => {
    const total = (samples: readonly Sample[]): number =>
      Math.round(sumOf(samples.filter((each) => nameOf(each) === name).map(({ value }) => value)));
    const ended = (outcome: string): number =>
      total(calls.filter(({ labels }) => labels['graylane_outcome'] === outcome));
    return {
      ...{ name, processes: total(processes), stopped: total(stopped), hitAttempts: total(hits), calls: total(calls) },
      failed: ended('failed'),
      savedByRetry: ended('savedByRetry'),
      savedByFallback: ended('savedByFallback'),
      savedByBreaker: ended('savedByBreaker'),
      delayed: ended('delayed'),
    };
  });
  return { service, since: 'one minute ago', rows, stops: [], failures: [] };
}

async function draw(report: DrillReport, io: CommandIo): Promise<void> {
  const { red, bold } = io.colors;
  const { service, since, rows, stops, failures } = report;
  if (failures.length > 0 || rows.length === 0) io.exitCode = 1;
  io.json(report);
  if (io.asJson) return;
  if (rows.length > 0) io.line(`${bold(service)}, counted since ${since}`);
  await io.table(rows, {
    drill: ({ name }) => bold(name),
    until: ({ until }) => until,
    ...fields('processes', 'stopped', 'calls'),
    'hit attempts': ({ hitAttempts }) => hitAttempts,
    failed: ({ failed, calls }) =>
      failed === 0 ? '0' : red(`${failed} (${((failed / Math.max(1, calls)) * 100).toFixed(1)} %)`),
    'saved by retry': ({ savedByRetry }) => savedByRetry,
    'by fallback': ({ savedByFallback }) => savedByFallback,
    'by breaker': ({ savedByBreaker }) => savedByBreaker,
    late: ({ delayed }) => delayed,
  });
  for (const each of [...stops, ...failures]) io.note(each);
  if (rows.length === 0) io.note(`nobody tells of a drill of ${service}: its policy has none, or no process uses it`);
}
