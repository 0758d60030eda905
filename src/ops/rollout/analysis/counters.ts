import type { Series } from '../../prometheus';
import { MeasureError } from './subset-metrics';

/**
 * How far counters grew within a window, read from what Prometheus has of them. Pure.
 *
 * What happened is what lies between two scrapes inside the window: the first one of a target is where its counters
 * begin, and a series that is absent there began at 0, because its target was scraped without it. So nothing that was
 * counted before the window ever counts, whatever was absent when it began. `increase()` extrapolates, never sees what a
 * series had counted when it was first scraped, and takes the reappearance of a series for growth.
 */

/** What is known of each scrape target at each step: when it was scraped last, and when its process began. */
export interface TargetLog {
  /** Milliseconds since 1970, by step; absent where the target is not scraped. */
  readonly scrapedAtMs: ReadonlyMap<number, number>;
  /** Milliseconds since 1970, by step; empty where the client does not say (0.1). */
  readonly beganAtMs: ReadonlyMap<number, number>;
}

/** One series grew so far within the window. */
export interface Growth {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadGrowth {
  readonly growths: readonly Growth[];
  /** What was not seen of each target that has a gap. */
  readonly gaps: readonly Gap[];
}

interface Gap {
  readonly target: string;
  readonly lengthMs: number;
  /** Calls that were missed, about. */
  readonly missed: number;
  /** The first scrape after the gap. */
  readonly endMs: number;
}

/** Figures that lack more than 1 % of the calls. From `wholeFromMs` on they are whole. */
export class FiguresGapError extends MeasureError {
  readonly wholeFromMs: number;

  constructor(message: string, wholeFromMs: number) {
    super(message);
    this.wholeFromMs = wholeFromMs;
  }
}

/** Labels that tell series of one target apart; all others tell targets apart. */
const OF_SERIES = /^(?:__name__|le|graylane_.*|rpc_.*|server_address|server_port|error_type|otel_scope_.*)$/;

/** The same of each series of one target, such as `instance=10.0.0.7:9464, job=orders`. */
function targetOf(labels: Readonly<Record<string, string>>): string {
  const own = Object.entries(labels).filter(([name]) => !OF_SERIES.test(name));
  return own
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}

/** `timestamps` and `begins` are series of the same steps, their values in seconds. */
export function logTargets(timestamps: readonly Series[], begins: readonly Series[]): ReadonlyMap<string, TargetLog> {
  const logs = new Map<string, { scrapedAtMs: Map<number, number>; beganAtMs: Map<number, number> }>();
  const note = (series: readonly Series[], into: 'scrapedAtMs' | 'beganAtMs'): void => {
    for (const { labels, values } of series) {
      const target = targetOf(labels);
      const log = logs.get(target) ?? { scrapedAtMs: new Map(), beganAtMs: new Map() };
      logs.set(target, log);
      for (const [step, value] of values) log[into].set(step, Math.max(log[into].get(step) ?? 0, value * 1_000));
    }
  };
  note(timestamps, 'scrapedAtMs');
  note(begins, 'beganAtMs');
  return logs;
}

/** A counter, and of each of its series, whatever their bounds, when the oldest sample in it was scraped, in seconds. */
export interface ReadCounter {
  readonly values: readonly Series[];
  readonly timestamps: readonly Series[];
}

/** In place of a value that is not of the last scrape. */
const UNKNOWN = Number.NaN;

/**
 * The values that the last scrape of their target had; others are unknown. Prometheus goes on to show a series for five minutes when it did
 * not see it end, because it was down itself; by then they are those of a process that is gone.
 */
export function freshOnly(
  { values, timestamps }: ReadCounter,
  logs: ReadonlyMap<string, TargetLog>,
): readonly Series[] {
  const sampled = new Map(timestamps.map((each) => [keyOf(each.labels), each.values]));
  return values.map((each) => {
    const scrapedAtMs = logs.get(targetOf(each.labels))?.scrapedAtMs;
    const ownAt = sampled.get(keyOf(each.labels));
    const isFresh = (step: number): boolean =>
      Math.abs((ownAt?.get(step) ?? 0) * 1_000 - (scrapedAtMs?.get(step) ?? 0)) < SAME_SCRAPE_MS;
    const known = [...each.values].map(([step, value]) => [step, isFresh(step) ? value : UNKNOWN] as const);
    return { labels: each.labels, values: new Map(known) };
  });
}

/** Samples of one scrape have the same time; those of one push may differ by its length. */
const SAME_SCRAPE_MS = 50;

function keyOf(labels: Readonly<Record<string, string>>): string {
  const own = Object.entries(labels).filter(([name]) => name !== 'le');
  return JSON.stringify(own.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A target missed a scrape when so many of its usual intervals lie between two. */
const GAP_INTERVALS = 1.5;
/** Process start times are read from a clock, and rounded on the way. */
const SAME_START_MS = 500;

/** The growth of these series since `sinceMs`, read at `steps`, which the log has too. */
export function readGrowth(
  series: readonly Series[],
  logs: ReadonlyMap<string, TargetLog>,
  steps: readonly number[],
  sinceMs: number,
): ReadGrowth {
  const byTarget = new Map<string, Series[]>();
  for (const each of series) {
    const target = targetOf(each.labels);
    byTarget.set(target, [...(byTarget.get(target) ?? []), each]);
  }
  const read = [...byTarget].flatMap(([target, own]) => {
    const log = logs.get(target);
    return log === undefined ? [] : [readTarget(target, own, scrapesOf(log, steps, sinceMs), sinceMs)];
  });
  return { growths: read.flatMap(({ growths }) => growths), gaps: read.flatMap(({ gaps }) => gaps) };
}

/** A step at which a target had been scraped anew. */
interface Scrape {
  readonly step: number;
  readonly atMs: number;
  readonly beganAtMs: number | undefined;
}

/** The scrapes inside the window, each at the first step that shows it. */
function scrapesOf({ scrapedAtMs, beganAtMs }: TargetLog, steps: readonly number[], sinceMs: number): Scrape[] {
  const scrapes: Scrape[] = [];
  for (const step of steps) {
    const atMs = scrapedAtMs.get(step);
    if (atMs === undefined || atMs < sinceMs || atMs === scrapes.at(-1)?.atMs) continue;
    scrapes.push({ step, atMs, beganAtMs: beganAtMs.get(step) });
  }
  return scrapes;
}

function readTarget(
  target: string,
  series: readonly Series[],
  scrapes: readonly Scrape[],
  sinceMs: number,
): { readonly growths: readonly Growth[]; readonly gaps: readonly Gap[] } {
  const [first] = scrapes;
  const last = scrapes.at(-1);
  if (first === undefined || last === undefined) return { growths: [], gaps: [] };
  const isNew = first.beganAtMs !== undefined && first.beganAtMs >= sinceMs;
  const grown = series.map(() => 0);
  const before = series.map(({ values }) => (isNew ? 0 : (values.get(first.step) ?? 0)));
  const allowedMs = GAP_INTERVALS * usualInterval(scrapes);
  const lengths: (readonly [lengthMs: number, endMs: number])[] = [];
  if (!isNew && first.atMs - sinceMs > allowedMs) lengths.push([first.atMs - sinceMs, first.atMs]);
  const seenAtMs = series.map(() => first.atMs);
  let former: Scrape | undefined;
  for (const scrape of scrapes) {
    const isRestarted = former !== undefined && hasRestarted(former, scrape);
    let unclearMs = 0;
    for (const [index, { values }] of series.entries()) {
      const value = values.get(scrape.step);
      const was = isRestarted ? 0 : (before[index] ?? 0);
      if (value === undefined || Number.isNaN(value)) {
        before[index] = was;
        continue;
      }
      // A sum falls without a restart when one of its series is gone, and by a restart that a client of 0.1 does not
      // tell. How far the others have grown meanwhile is not known.
      if (!(value >= was)) unclearMs = Math.max(unclearMs, scrape.atMs - (seenAtMs[index] ?? first.atMs));
      else grown[index] = (grown[index] ?? 0) + value - was;
      before[index] = value;
      seenAtMs[index] = scrape.atMs;
    }
    const apartMs = scrape.atMs - (former?.atMs ?? scrape.atMs);
    // Nobody saw what the process before it did last.
    const unseenMs = Math.max(unclearMs, isRestarted && apartMs > allowedMs ? apartMs : 0);
    if (unseenMs > 0) lengths.push([unseenMs, scrape.atMs]);
    former = scrape;
  }
  const perMs = grown.reduce((sum, each) => sum + each, 0) / Math.max(1, last.atMs - (isNew ? sinceMs : first.atMs));
  return {
    growths: series.map(({ labels }, index) => ({ labels, value: grown[index] ?? 0 })),
    gaps: lengths.map(([lengthMs, endMs]) => ({ target, lengthMs, missed: perMs * lengthMs, endMs })),
  };
}

/** Whether a new process answers. */
function hasRestarted(former: Scrape, now: Scrape): boolean {
  if (former.beganAtMs === undefined || now.beganAtMs === undefined) return false;
  return now.beganAtMs - former.beganAtMs > SAME_START_MS;
}

/** The median time between two scrapes; 0 where there are no two. */
function usualInterval(scrapes: readonly Scrape[]): number {
  const between = scrapes.slice(1).map(({ atMs }, index) => atMs - (scrapes[index]?.atMs ?? atMs));
  return between.sort((a, b) => a - b)[Math.floor(between.length / 2)] ?? 0;
}

const MOST_MISSED = 0.01;

/** Throws a {@link FiguresGapError} where more than 1 % of the calls were missed. */
export function refuseGaps({ growths, gaps }: ReadGrowth): void {
  const missed = gaps.reduce((sum, gap) => sum + gap.missed, 0);
  const seen = growths.reduce((sum, { value }) => sum + value, 0);
  const [longest] = [...gaps].sort((a, b) => b.missed - a.missed);
  if (longest === undefined || missed <= MOST_MISSED * (seen + missed)) return;
  const wholeFromMs = Math.max(...gaps.map(({ endMs }) => endMs));
  const many = gaps.length === 1 ? '' : `, and ${gaps.length - 1} more`;
  throw new FiguresGapError(
    `no figures: {${longest.target}} was not scraped for ${(longest.lengthMs / 1_000).toFixed(1)} s${many}, so about ` +
      `${((100 * missed) / (seen + missed)).toFixed(0)} % of the calls are missing; counted afresh from ${new Date(wholeFromMs).toISOString()} on`,
    wholeFromMs,
  );
}
