/** What a process showed at one moment, as Prometheus would have scraped it. */
export interface Scrape {
  readonly atMs: number;
  readonly series: ReadonlyMap<string, number>;
  /** Names of what only grows. */
  readonly counters: ReadonlySet<string>;
}

/** Reads Prometheus' text format. Buckets are left out: no rule reads them, and they are many. */
export function readScrape(text: string, instance: string): Scrape {
  const series = new Map<string, number>();
  const counters = new Set<string>();
  for (const line of text.split('\n')) {
    const [, of, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (of !== undefined && type === 'counter') counters.add(of);
    if (of !== undefined && type === 'histogram') for (const part of ['_count', '_sum']) counters.add(of + part);
    const [, name, labels, value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line) ?? [];
    if (name === undefined || name.endsWith('_bucket')) continue;
    const all = [labels, `instance="${instance}"`].filter((part) => part !== undefined && part !== '');
    series.set(`${name}{${all.join(',')}}`, Number(value));
  }
  return { atMs: performance.now(), series, counters };
}

/** Twice while all was well, then when the fault had its first effect, and a while after. */
export type Recording = readonly [well: Scrape, stillWell: Scrape, ill: Scrape, stillIll: Scrape];

export const STEP_S = 15;
/** Two minutes without a fault, then five with. */
export const STEPS_WELL = 8;
const STEPS_ILL = 20;

/**
 * Series for promtool, spread over minutes: what grew goes on growing as fast as it was seen to, and what stood still stands
 * still. A series that was not there at first is absent, not zero.
 */
export function spread(recording: Recording): readonly { readonly series: string; readonly values: string }[] {
  const [well, stillWell, ill, stillIll] = recording;
  const names = new Set(recording.flatMap(({ series }) => [...series.keys()]));
  return [...names].map((series) => {
    const name = series.slice(0, series.indexOf('{'));
    // The only gauges that rise by themselves are ages.
    const grows = recording.some(({ counters }) => counters.has(name)) || name.includes('_staleness');
    const at = (scrape: Scrape): number | undefined => scrape.series.get(series);
    const perStep = (from: Scrape, to: Scrape): number => {
      const grown = (at(to) ?? 0) - (at(from) ?? 0);
      return grows ? (1_000 * STEP_S * grown) / (to.atMs - from.atMs) : 0;
    };
    const begun = at(stillWell);
    const healthy = perStep(well, stillWell);
    const values: (number | undefined)[] = Array.from({ length: STEPS_WELL }, (_, step) =>
      begun === undefined ? undefined : begun + step * healthy,
    );
    const jump = grows ? (at(ill) ?? 0) - (begun ?? 0) : 0;
    const sick = perStep(ill, stillIll);
    const last = at(stillIll);
    const start = grows ? (values.at(-1) ?? 0) + jump : (last ?? 0);
    for (let step = 0; step < STEPS_ILL; step += 1) values.push(last === undefined ? undefined : start + step * sick);
    return { series, values: values.map((value) => (value === undefined ? '_' : String(value))).join(' ') };
  });
}

/** As a collector names the same, and as clients of 0.1 did: units in names, no `_total`, the former name of the status. */
export function asOthersSpell(series: string): string {
  return series
    .replace(/^(rpc_client_call_duration)_/, '$1_seconds_')
    .replace(/^(graylane_(?:discovery|policy)_staleness)\{/, '$1_seconds{')
    .replace(/^(graylane_(?!rollout)[a-z_]+)_total\{/, '$1{')
    .replaceAll('rpc_status_code=', 'rpc_response_status_code=')
    .replace(/otel_scope_[a-z_]+="[^"]*",?/g, '');
}
