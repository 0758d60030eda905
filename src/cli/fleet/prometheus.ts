import { isRecord } from '../../base/is-record';
import { below, fetchJson, shownUrl } from '../fetch-json';
import { spellDuration } from '../spell-duration';
import type { Sighting } from './member';

type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Of the query, in seconds. */
  readonly at: number;
}

/** A process that Prometheus reached so long ago is still asked about. */
const REMEMBERED = '5m';

/**
 * Who reports a policy of this service, by the gauges of docs/observability.md. A process that Prometheus is to scrape and
 * cannot is among them; one that Prometheus does not know any more is not.
 */
export async function sightByPrometheus(
  url: URL,
  service: string,
): Promise<readonly Sighting[] | { readonly failure: string }> {
  const of = `graylane_service=~"${service.replaceAll('.', '[.]')}([?].*)?"`;
  const index = `graylane_policy_index{${of}}`;
  try {
    const [indices, revisions, times, up, watches, ages, shortfalls] = await Promise.all(
      [
        `last_over_time(${index}[${REMEMBERED}])`,
        `last_over_time(graylane_policy_revision{${of}}[${REMEMBERED}])`,
        `timestamp(${index})`,
        `up and on (job, instance) last_over_time(${index}[${REMEMBERED}])`,
        `graylane_discovery_watch{${of}} == 1`,
        // A collector writes the unit into the name.
        `{__name__=~"graylane_discovery_staleness(_seconds)?",${of}} > 0`,
        `graylane_policy_shortfalls{${of}} > 0`,
      ].map((expression) => query(url, expression)),
    );
    return sightings({
      indices: indices ?? [],
      revisions: byClient(revisions),
      times: byClient(times),
      up: up ?? [],
      watches: watches ?? [],
      ages: ages ?? [],
      shortfalls: byClient(shortfalls),
    });
  } catch (error) {
    if (error instanceof QueryFailed) return { failure: error.message };
    throw error;
  }
}

interface Samples {
  readonly indices: readonly Sample[];
  readonly revisions: ReadonlyMap<string, Sample>;
  readonly times: ReadonlyMap<string, Sample>;
  readonly up: readonly Sample[];
  readonly watches: readonly Sample[];
  readonly ages: readonly Sample[];
  readonly shortfalls: ReadonlyMap<string, Sample>;
}

function sightings({ indices, revisions, times, up, watches, ages, shortfalls }: Samples): readonly Sighting[] {
  const rejected = byClient(indices.filter(({ labels }) => labels['graylane_state'] === 'rejected'));
  const targets = new Map(up.map((sample) => [targetOf(sample.labels), sample.value]));
  return indices
    .filter(({ labels }) => labels['graylane_state'] === 'applied')
    .flatMap((sample): Sighting[] => {
      const client = clientOf(sample.labels);
      const watched = watches.filter(({ labels }) => clientOf(labels) === client);
      const time = times.get(client);
      const isUp = targets.get(targetOf(sample.labels));
      // Neither seen now nor to be scraped: the process has ended, or its Graylane client goes by another name.
      if (time === undefined && isUp !== 0) return [];
      const revision = revisionOf(revisions.get(client)?.value);
      // A closed Graylane client, or one that has made no calls for long and watches nothing, reports zeros.
      if (sample.value === 0 && revision === 'none' && watched.length === 0) return [];
      const missing = shortfalls.get(client)?.value ?? 0;
      const trouble = troubleOf(time !== undefined, watched, ages, client);
      return [
        {
          process: nameOf(sample.labels),
          client: sample.labels['graylane_client'],
          service: sample.labels['graylane_service'] ?? '',
          index: sample.value,
          rejectedIndex: rejected.get(client)?.value ?? 0,
          revision,
          watches: watched.map(({ labels }) => labels['graylane_datacenter'] ?? ''),
          ageMs: time === undefined ? 0 : Math.max(0, Math.round((time.at - time.value) * 1000)),
          ...(missing === 0 ? {} : { shortfall: describeShortfalls(missing) }),
          ...(trouble === undefined ? {} : { trouble }),
        },
      ];
    });
}

/** A gauge has no words. */
function describeShortfalls(count: number): string {
  const what = count === 1 ? '1 thing' : `${count} things`;
  return `cannot have ${what} that the policy asks for: its log and graylane inspect say what`;
}

function troubleOf(
  isSeen: boolean,
  watched: readonly Sample[],
  ages: readonly Sample[],
  client: string,
): Sighting['trouble'] {
  if (!isSeen) return { reason: 'unreachable', details: 'Prometheus cannot scrape it' };
  const bad = watched.filter(({ labels }) => labels['graylane_state'] !== 'fresh');
  const [first] = bad;
  if (first === undefined) return undefined;
  const datacenter = first.labels['graylane_datacenter'] ?? '';
  const age = ages.find(({ labels }) => clientOf(labels) === client && labels['graylane_datacenter'] === datacenter);
  const since = age === undefined ? '' : ` for ${spellDuration(age.value * 1000)}`;
  const isSilent = first.labels['graylane_state'] === 'pending' && bad.length === watched.length;
  if (isSilent) return { reason: 'silent', details: `has heard nothing from ${datacenter}${since}` };
  return { reason: 'stale', details: `has not heard from ${datacenter}${since}` };
}

/** The gauge holds the 12 hexadecimal digits as a number, 0 where there is none. */
function revisionOf(value: number | undefined): string {
  return value === undefined || value === 0 ? 'none' : value.toString(16).padStart(12, '0');
}

function byClient(samples: readonly Sample[] | undefined): ReadonlyMap<string, Sample> {
  return new Map((samples ?? []).map((sample) => [clientOf(sample.labels), sample]));
}

const NOT_OF_CLIENT = ['__name__', 'graylane_state', 'graylane_datacenter'];

/** The same for all gauges of one service in one Graylane client of one process. */
function clientOf(labels: Labels): string {
  return JSON.stringify(
    Object.entries(labels)
      .filter(([key]) => !NOT_OF_CLIENT.includes(key))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function targetOf({ job, instance }: Labels): string {
  return JSON.stringify([job, instance]);
}

function nameOf({ job, instance }: Labels): string {
  return [job, instance].filter((part) => part !== undefined).join('/') || '(unnamed)';
}

class QueryFailed extends Error {}

/** Instant queries, all at once; their answers in the same order. */
export async function queryAll(
  url: URL,
  expressions: readonly string[],
): Promise<readonly (readonly Sample[])[] | { readonly failure: string }> {
  try {
    return await Promise.all(expressions.map((expression) => query(url, expression)));
  } catch (error) {
    if (error instanceof QueryFailed) return { failure: error.message };
    throw error;
  }
}

/** An instant query: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries */
async function query(url: URL, expression: string): Promise<readonly Sample[]> {
  const answer = await fetchJson(below(url, 'api/v1/query', { query: expression }));
  if (answer.kind === 'failure') throw new QueryFailed(answer.reason);
  const data = isRecord(answer.body) ? answer.body['data'] : undefined;
  const result = isRecord(data) && data['resultType'] === 'vector' ? data['result'] : undefined;
  if (!Array.isArray(result)) throw new QueryFailed(`${shownUrl(url)} does not answer as Prometheus does`);
  return result.map(sampleOf);
}

function sampleOf(entry: unknown): Sample {
  const { metric, value } = isRecord(entry) ? entry : {};
  if (!isRecord(metric) || !Array.isArray(value)) throw new QueryFailed('an answer without metric and value');
  return { labels: metric as Labels, at: Number(value[0]), value: Number(value[1]) };
}
