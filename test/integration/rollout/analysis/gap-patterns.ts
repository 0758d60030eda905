import { type Random, seededRandom } from '../../../../src/base/random';

/** Time between two scrapes. */
const EVERY_MS = 5_000;
const BEFORE_MS = 100_000;
export const WINDOW_MS = 300_000;

/** What befalls the scraping of a service, or its clients. */
export const KINDS = [
  'nothing',
  'gap of all when the window begins',
  'gap of one when the window begins',
  'gap inside',
  'gap at the end',
  'restart',
  'restart in a gap',
  'client that begins inside',
  'client that ends inside',
  'client that is gone before',
  'failures that begin inside',
  'part of a sum that is gone',
  'two gaps and a restart',
] as const;
type Kind = (typeof KINDS)[number];

/** One process: it counts from `fromMs` until `untilMs`, and is scraped unless there is a gap. Times from the window's begin. */
interface Process {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Calls counted before `fromMs`. Of a client whose process began long ago. */
  readonly former: number;
}

interface Client {
  readonly instance: string;
  readonly processes: readonly Process[];
  readonly gaps: readonly (readonly [fromMs: number, untilMs: number])[];
  /** Calls a second; failures begin at `failsFromMs`. */
  readonly rates: { readonly canary: number; readonly stable: number; readonly failing: number };
  readonly failsFromMs: number;
  /** A summed series of an address that is exported no more from here on. */
  readonly partGoneMs: number;
  /** From 0.2 on a client says when it began. */
  readonly saysStart: boolean;
}

export interface Pattern {
  readonly service: string;
  readonly kind: Kind;
  readonly isFormerSpelling: boolean;
  readonly clients: readonly Client[];
}

export function patternOf(seed: number): Pattern {
  const random = seededRandom(seed + 1);
  const kind = KINDS[seed % KINDS.length] ?? 'nothing';
  const between = (low: number, high: number): number => low + random() * (high - low);
  const saysStart = random() < 0.6;
  const count = 2 + Math.floor(random() * 2);
  const all = Array.from({ length: count }, (_, index): Client => clientOf(index, saysStart, random));
  const [one, ...others] = all as [Client, ...Client[]];
  const restartedAt = between(40_000, 250_000);
  const clients = ((): readonly Client[] => {
    switch (kind) {
      case 'gap of all when the window begins': {
        const gap = [-between(1_000, 60_000), between(10_000, 120_000)] as const;
        return all.map((each) => ({ ...each, gaps: [gap] }));
      }
      case 'gap of one when the window begins':
        return [{ ...one, gaps: [[-between(1_000, 60_000), between(2_000, 150_000)]] }, ...others];
      case 'gap inside':
        return [{ ...one, gaps: [[between(20_000, 100_000), between(110_000, 250_000)]] }, ...others];
      case 'gap at the end':
        return [{ ...one, gaps: [[between(150_000, 290_000), WINDOW_MS + 60_000]] }, ...others];
      case 'restart':
        return [{ ...one, processes: restart(one, restartedAt, restartedAt + between(0, 4_000)) }, ...others];
      case 'restart in a gap':
        return [
          {
            ...one,
            processes: restart(one, restartedAt, restartedAt + between(1_000, 20_000)),
            gaps: [[restartedAt - between(5_000, 30_000), restartedAt + between(20_000, 45_000)]],
          },
          ...others,
        ];
      case 'client that begins inside':
        return [{ ...one, processes: [{ fromMs: restartedAt, untilMs: WINDOW_MS + 60_000, former: 0 }] }, ...others];
      case 'client that ends inside':
        return [{ ...one, processes: ending(one, restartedAt) }, ...others];
      case 'client that is gone before':
        return [{ ...one, processes: ending(one, -between(6_000, 60_000)) }, ...others];
      case 'failures that begin inside':
        return all.map((each) => ({ ...each, failsFromMs: restartedAt, rates: { ...each.rates, failing: 2 } }));
      case 'part of a sum that is gone':
        return [{ ...one, partGoneMs: restartedAt }, ...others];
      case 'two gaps and a restart':
        return [
          { ...one, gaps: [[-20_000, between(3_000, 40_000)]], processes: restart(one, 200_000, 203_000) },
          { ...(others[0] as Client), gaps: [[between(60_000, 90_000), between(95_000, 140_000)]] },
          ...others.slice(1),
        ];
      default:
        return all;
    }
  })();
  return { service: `gap-${seed}`, kind, isFormerSpelling: random() < 0.4, clients };
}

function clientOf(index: number, saysStart: boolean, random: Random): Client {
  const isOld = random() < 0.8;
  const fromMs = isOld ? -BEFORE_MS - 86_400_000 : -50_000;
  return {
    instance: `client-${index}:9464`,
    processes: [{ fromMs, untilMs: WINDOW_MS + 60_000, former: 0 }],
    gaps: [],
    rates: { canary: 4 + random() * 10, stable: 30 + random() * 60, failing: random() < 0.5 ? 0 : random() * 0.5 },
    failsFromMs: Number.NEGATIVE_INFINITY,
    partGoneMs: Number.POSITIVE_INFINITY,
    saysStart,
  };
}

function restart({ processes }: Client, endedMs: number, beganMs: number): readonly Process[] {
  const [first] = processes;
  if (first === undefined) return [];
  return [
    { ...first, untilMs: endedMs },
    { fromMs: beganMs, untilMs: WINDOW_MS + 60_000, former: 0 },
  ];
}

function ending({ processes }: Client, endedMs: number): readonly Process[] {
  return processes.map((each) => ({ ...each, untilMs: endedMs }));
}

/** Counters of a day hold the failures of yesterday's canary, too. */
const YESTERDAY = { canary: 2_000, failed: 900, stable: 500_000 };

interface Counted {
  readonly canary: number;
  readonly failed: number;
  readonly stable: number;
}

/** What the process has counted by then, exactly. */
function countedBy(client: Client, process: Process, atMs: number): Counted {
  const isOld = process.fromMs < -BEFORE_MS;
  const fromMs = isOld ? -BEFORE_MS : process.fromMs;
  const seconds = Math.max(0, Math.min(atMs, process.untilMs) - fromMs) / 1_000;
  const failing = Math.max(0, Math.min(atMs, process.untilMs) - Math.max(fromMs, client.failsFromMs)) / 1_000;
  const past = isOld ? YESTERDAY : { canary: 0, failed: 0, stable: 0 };
  // A client whose failures begin inside never had any: the series is new.
  const failedBefore = client.failsFromMs > 0 ? 0 : past.failed;
  return {
    canary: past.canary + Math.floor(client.rates.canary * seconds),
    failed: failedBefore + Math.floor(client.rates.failing * failing),
    stable: past.stable + Math.floor(client.rates.stable * seconds),
  };
}

function scrapesOf(client: Client): readonly (readonly [atMs: number, process: Process])[] {
  const phase = (client.instance.charCodeAt(7) % 5) * 900;
  const scrapes: [number, Process][] = [];
  for (let atMs = -BEFORE_MS + phase; atMs <= WINDOW_MS; atMs += EVERY_MS) {
    const process = client.processes.find((each) => each.fromMs <= atMs && atMs < each.untilMs);
    const isMissed = client.gaps.some(([fromMs, untilMs]) => fromMs <= atMs && atMs < untilMs);
    if (process !== undefined && !isMissed) scrapes.push([atMs, process]);
  }
  return scrapes;
}

/**
 * What is true of the window from `sinceMs` on: calls that were made in it up to the last scrape of each client, and how many of
 * them no scrape can have seen because they fell between a scrape and the begin of the window, or of a process, or the end of one.
 */
export function truthOf({ clients }: Pattern, sinceMs: number): Record<keyof Counted, { all: number; unseen: number }> {
  const truth = { canary: { all: 0, unseen: 0 }, failed: { all: 0, unseen: 0 }, stable: { all: 0, unseen: 0 } };
  for (const client of clients) {
    const lastMs = scrapesOf(client).at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
    for (const process of client.processes) {
      const until = Math.min(process.untilMs, lastMs);
      if (until <= sinceMs) continue;
      const from = Math.max(process.fromMs, sinceMs);
      for (const key of ['canary', 'failed', 'stable'] as const) {
        const between = (a: number, b: number): number =>
          b <= a ? 0 : countedBy(client, process, b)[key] - countedBy(client, process, a)[key];
        truth[key].all += between(from, until);
        // Of a scrape that is not missed: one interval at the begin, unless the process says that it began there, and
        // one before it ended.
        const isKnown = client.saysStart && process.fromMs >= sinceMs;
        if (!isKnown) truth[key].unseen += between(from, Math.min(until, from + 1.5 * EVERY_MS));
        if (process.untilMs < lastMs) truth[key].unseen += between(Math.max(from, until - EVERY_MS), until);
      }
    }
  }
  return truth;
}

/** The series of a pattern, in OpenMetrics, at times of a past that begins its window at `beginMs`. */
export function* linesOf(
  { service, isFormerSpelling, clients }: Pattern,
  beginMs: number,
): Generator<readonly [metric: string, line: string]> {
  const attempts = isFormerSpelling ? 'graylane_attempts' : 'graylane_attempts_total';
  const status = isFormerSpelling ? 'rpc_response_status_code' : 'rpc_status_code';
  const durations = isFormerSpelling ? 'rpc_client_call_duration_bucket' : 'rpc_client_call_duration_seconds_bucket';
  const start = isFormerSpelling ? 'graylane_start_time' : 'graylane_start_time_seconds';
  for (const client of clients) {
    const target = `job="orders",instance="${service}-${client.instance}"`;
    for (const [atMs, process] of scrapesOf(client)) {
      const time = ((beginMs + atMs) / 1_000).toFixed(3);
      const { canary, failed, stable } = countedBy(client, process, atMs);
      const of = (subset: string, code: string, address: string): string =>
        `${attempts}{${target},graylane_service="${service}",graylane_subset="${subset}",${status}="${code}",server_address="${address}"}`;
      yield [attempts, `${of('canary', 'OK', 'a')} ${canary} ${time}`];
      if (failed > 0) yield [attempts, `${of('canary', 'UNAVAILABLE', 'a')} ${failed} ${time}`];
      // The calls of stable went to two addresses, one of which is exported no more.
      if (atMs < client.partGoneMs && client.partGoneMs < WINDOW_MS)
        yield [attempts, `${of('stable', 'OK', 'b')} 4000 ${time}`];
      yield [attempts, `${of('stable', 'OK', 'a')} ${stable} ${time}`];
      if (client.saysStart) {
        yield [start, `${start}{${target}} ${((beginMs + process.fromMs) / 1_000).toFixed(3)} ${time}`];
      }
      for (const [subset, count] of [
        ['canary', canary + failed],
        ['stable', stable],
      ] as const) {
        for (const [le, share] of [
          ['0.01', 0.5],
          ['0.1', 1],
          ['+Inf', 1],
        ] as const) {
          const labels = `${target},server_address="${service}",graylane_served_by="${subset}",le="${le}"`;
          yield [durations, `${durations}{${labels}} ${Math.floor(count * share)} ${time}`];
        }
      }
    }
  }
}
