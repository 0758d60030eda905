import type { ServiceInspection } from '../../client/admin/inspect';
import type { Sample } from '../../ops/prometheus';
import { sumOf } from '../describe';
import { queryAll, shownUrl } from '../fetch-json';
import { inspectProcess, isIdle } from '../inspect/running-process';

/** The window of the call counts of `inspect()`. */
const BUDGET_SECONDS = 10;
const WINDOW = '1m';
/** By OpenTelemetry's conventions now, and before. */
const STATUS = ['rpc_status_code', 'rpc_response_status_code'] as const;

interface Found {
  readonly process: string;
  readonly inspection: ServiceInspection;
}

/** Asks each process. */
export async function topByUrls(urls: readonly URL[], wanted: string | undefined): Promise<TopReport> {
  const failures: string[] = [];
  const found: Found[] = [];
  await Promise.all(
    urls.map(async (url) => {
      const process = shownUrl(url);
      const answer = await inspectProcess(url);
      if ('failure' in answer) failures.push(`${process}: ${answer.failure}`);
      else {
        const services = answer.body.services.filter((one) => !isIdle(one) && (one.service === wanted || !wanted));
        for (const inspection of services) found.push({ process, inspection });
      }
    }),
  );
  const names = new Set(found.map(({ inspection }) => inspection.service));
  return { rows: [...names].sort().flatMap((service) => rowsOf(service, found)), failures: failures.sort() };
}

function rowsOf(service: string, all: readonly Found[]): readonly TopRow[] {
  const found = all.filter(({ inspection }) => inspection.service === service);
  const inspections = found.map(({ inspection }) => inspection);
  const endpoints = inspections.flatMap((each) => each.endpoints);
  const breakers = inspections.flatMap((each) => each.breakers.filter(({ isEnabled }) => isEnabled));
  const loadOf = (members: typeof endpoints): Pick<TopRow, 'endpoints' | 'inFlight'> => ({
    endpoints: new Set(members.map(({ datacenter, endpoint }) => `${datacenter}/${endpoint}`)).size,
    inFlight: sumOf(members.map(({ inFlight }) => inFlight)),
  });
  const total: TopRow = {
    ...{ service, subset: '', processes: new Set(found.map(({ process }) => process)).size },
    ...loadOf(endpoints),
    perSecond: sumOf(inspections.map(({ retryBudget }) => retryBudget.calls)) / BUDGET_SECONDS,
    open: breakers.filter(({ state }) => state !== 'closed').length,
  };
  const subsets = [...new Set(endpoints.flatMap((endpoint) => endpoint.subsets))].sort();
  const bySubset = subsets.map((subset): TopRow => {
    const members = endpoints.filter((endpoint) => endpoint.subsets.includes(subset));
    const ofSubset = breakers.filter(({ level, key }) => level === 'subset' && key.startsWith(`${subset}@`));
    const failures = sumOf(ofSubset.map(({ counts }) => counts.failures));
    const calls = failures + sumOf(ofSubset.map(({ counts }) => counts.successes));
    const openOfEndpoints = members.filter(({ breaker }) => breaker?.isEnabled === true && breaker.state !== 'closed');
    return {
      ...{ service, subset, ...loadOf(members) },
      processes: inspections.filter((each) => each.endpoints.some((one) => one.subsets.includes(subset))).length,
      failed: percentOf(failures, calls),
      open: openOfEndpoints.length + ofSubset.filter(({ state }) => state !== 'closed').length,
    };
  });
  return [total, ...bySubset];
}

function percentOf(failed: number, all: number): number | undefined {
  return all === 0 ? undefined : (failed / all) * 100;
}

/** By the counters and gauges of docs/observability.md, over the last minute. */
export async function topByPrometheus(
  url: URL,
  wanted: string | undefined,
): Promise<TopReport | { readonly failure: string }> {
  const of = wanted === undefined ? '' : `graylane_service=~"${wanted.replaceAll('.', '[.]')}([?].*)?"`;
  const by = 'graylane_service, graylane_subset';
  const attempts = `sum by (${by}, ${STATUS.join(', ')}) (rate(graylane_attempts_total{${of}}[${WINDOW}]))`;
  const open = `graylane_state=~"open|halfOpen"${of === '' ? '' : `,${of}`}`;
  const answers = await queryAll(url, [
    attempts,
    `sum by (${by}) (graylane_breaker_state{${open}})`,
    `count by (graylane_service) (count by (graylane_service, job, instance) (graylane_policy_index{${of}}))`,
  ]);
  if ('failure' in answers) return answers;
  const [rates = [], breakers = [], processes = []] = answers;
  const services = [...new Set([...rates, ...processes].map((sample) => label(sample, 'graylane_service')))].sort();
  const rows = services.flatMap((service) => {
    const isOf = (sample: Sample): boolean => label(sample, 'graylane_service') === service;
    const own = rates.filter(isOf);
    const subsets = [...new Set(own.map((sample) => label(sample, 'graylane_subset')))].sort();
    const row = (subset: string, isIn: (sample: Sample) => boolean): TopRow => {
      const samples = own.filter(isIn);
      const failed = samples.filter((each) => !STATUS.some((name) => label(each, name) === 'OK'));
      const all = total(samples);
      return {
        ...{ service, subset, perSecond: all, failed: percentOf(total(failed), all) },
        ...(subset === '' ? { processes: processes.find(isOf)?.value ?? 0 } : {}),
        open: total(breakers.filter((each) => isOf(each) && isIn(each))),
      };
    };
    return [
      row('', () => true),
      ...subsets.map((subset) => row(subset, (sample) => label(sample, 'graylane_subset') === subset)),
    ];
  });
  return { rows, failures: [] };
}

function total(samples: readonly Sample[]): number {
  return sumOf(samples.map(({ value }) => value));
}

function label({ labels }: Sample, name: string): string {
  return labels[name] ?? '';
}

/** A subset of a service, over all processes. Undefined: the source does not tell. */
interface TopRow {
  readonly service: string;
  /** Empty: of the service as a whole. */
  readonly subset: string;
  readonly processes?: number | undefined;
  readonly endpoints?: number | undefined;
  readonly inFlight?: number | undefined;
  /** Of calls where the row is of a service asked by `--url`, else of attempts. */
  readonly perSecond?: number | undefined;
  /** Of attempts, in percent. */
  readonly failed?: number | undefined;
  /** Breakers that are not closed, of endpoints and of the subset. */
  readonly open: number;
}

export interface TopReport {
  readonly rows: readonly TopRow[];
  /** Processes that did not answer, each as a sentence. */
  readonly failures: readonly string[];
}
