import type { ServiceInspection } from '../../client/admin/inspect';
import type { Sample } from '../../ops/prometheus';
import { sumOf } from '../describe';
import { queryAll, shownUrl } from '../fetch-json';
import { inspectProcess, isIdle } from '../inspect/running-process';

/** `inspect()` counts calls over so long. */
const BUDGET_SECONDS = 10;
const WINDOW = '1m';
/** By OpenTelemetry's conventions now, and before. */
const STATUS = ['rpc_status_code', 'rpc_response_status_code'] as const;

/** Asks each process. */
export async function topByUrls(urls: readonly URL[], wanted: string | undefined): Promise<TopReport> {
  const failures: string[] = [];
  const found: { readonly process: string; readonly inspection: ServiceInspection }[] = [];
  await Promise.all(
    urls.map(async (url) => {
      const answer = await inspectProcess(url);
      if ('failure' in answer) failures.push(`${shownUrl(url)}: ${answer.failure}`);
      else {
        const services = answer.body.services.filter((one) => !isIdle(one) && (one.service === wanted || !wanted));
        for (const inspection of services) found.push({ process: shownUrl(url), inspection });
      }
    }),
  );
  const names = [...new Set(found.map(({ inspection }) => inspection.service))].sort();
  const rows = names.flatMap((service) => rowsOf(service, found));
  return { rows, failures: failures.sort() };
}

function rowsOf(
  service: string,
  found: readonly { readonly process: string; readonly inspection: ServiceInspection }[],
): readonly TopRow[] {
  const of = found.filter(({ inspection }) => inspection.service === service);
  const inspections = of.map(({ inspection }) => inspection);
  const endpoints = inspections.flatMap((each) => each.endpoints);
  const breakers = inspections.flatMap((each) => each.breakers.filter(({ isEnabled }) => isEnabled));
  const subsets = [...new Set(endpoints.flatMap((endpoint) => endpoint.subsets))].sort();
  const total: TopRow = {
    service,
    subset: '',
    processes: new Set(of.map(({ process }) => process)).size,
    endpoints: new Set(endpoints.map(({ datacenter, endpoint }) => `${datacenter}/${endpoint}`)).size,
    inFlight: sumOf(endpoints.map(({ inFlight }) => inFlight)),
    perSecond: sumOf(inspections.map(({ retryBudget }) => retryBudget.calls)) / BUDGET_SECONDS,
    failed: undefined,
    open: breakers.filter(({ state }) => state !== 'closed').length,
  };
  const bySubset = subsets.map((subset): TopRow => {
    const members = endpoints.filter((endpoint) => endpoint.subsets.includes(subset));
    const ofSubset = breakers.filter(({ level, key }) => level === 'subset' && key.startsWith(`${subset}@`));
    const successes = sumOf(ofSubset.map(({ counts }) => counts.successes));
    const failures = sumOf(ofSubset.map(({ counts }) => counts.failures));
    const openOfEndpoints = members.filter(({ breaker }) => breaker?.isEnabled === true && breaker.state !== 'closed');
    return {
      service,
      subset,
      processes: inspections.filter((each) => each.endpoints.some((one) => one.subsets.includes(subset))).length,
      endpoints: new Set(members.map(({ datacenter, endpoint }) => `${datacenter}/${endpoint}`)).size,
      inFlight: sumOf(members.map(({ inFlight }) => inFlight)),
      perSecond: undefined,
      failed: successes + failures === 0 ? undefined : (failures / (successes + failures)) * 100,
      open: openOfEndpoints.length + ofSubset.filter(({ state }) => state !== 'closed').length,
    };
  });
  return [total, ...bySubset];
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
    const ofBreakers = breakers.filter(isOf);
    const subsets = [...new Set(own.map((sample) => label(sample, 'graylane_subset')))].sort();
    const row = (subset: string, samples: readonly Sample[], openSamples: readonly Sample[]): TopRow => {
      const all = sumOf(samples.map(({ value }) => value));
      const failed = sumOf(
        samples.filter((each) => !STATUS.some((name) => label(each, name) === 'OK')).map(({ value }) => value),
      );
      return {
        service,
        subset,
        processes: subset === '' ? (processes.find(isOf)?.value ?? 0) : undefined,
        endpoints: undefined,
        inFlight: undefined,
        perSecond: all,
        failed: all === 0 ? undefined : (failed / all) * 100,
        open: sumOf(openSamples.map(({ value }) => value)),
      };
    };
    return [
      row('', own, ofBreakers),
      ...subsets.map((subset) => {
        const isIn = (sample: Sample): boolean => label(sample, 'graylane_subset') === subset;
        return row(subset, own.filter(isIn), ofBreakers.filter(isIn));
      }),
    ];
  });
  return { rows, failures: [] };
}

function label({ labels }: Sample, name: string): string {
  return labels[name] ?? '';
}

/** A subset of a service, over all processes. Undefined: the source does not tell. */
interface TopRow {
  readonly service: string;
  /** Empty: of the service as a whole. */
  readonly subset: string;
  readonly processes: number | undefined;
  readonly endpoints: number | undefined;
  readonly inFlight: number | undefined;
  /** Of calls where the row is of a service asked by `--url`, else of attempts. */
  readonly perSecond: number | undefined;
  /** Of attempts, in percent. */
  readonly failed: number | undefined;
  /** Breakers that are not closed, of endpoints and of the subset. */
  readonly open: number;
}

export interface TopReport {
  readonly rows: readonly TopRow[];
  /** Processes that did not answer, each as a sentence. */
  readonly failures: readonly string[];
}
