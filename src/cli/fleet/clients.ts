import { defined } from '../../base/defined';
import type { ServiceInspection } from '../../client/admin/inspect';
import type { Sample } from '../../ops/prometheus';
import { counted, formatDuration } from '../describe';
import { queryAll, shownUrl } from '../fetch-json';
import { inspectProcess, isIdle } from '../inspect/running-process';
import type { ClientStatus } from './member';

type Labels = Readonly<Record<string, string>>;

/** A gauge has no words. */
const SHORTFALL = 'that the policy asks for: its log and graylane inspect say what';

/** How long a process is listed after the last scrape that reached it. */
const REMEMBERED = '5m';

/**
 * Finds the clients of a service by the gauges of docs/observability.md. Processes that Prometheus fails to scrape are
 * in the result; processes that Prometheus does not know any more are not.
 */
export async function clientsFromPrometheus(
  url: URL,
  service: string,
): Promise<readonly ClientStatus[] | { readonly failure: string }> {
  const of = `graylane_service=~"${service.replaceAll('.', '[.]')}([?].*)?"`;
  const index = `graylane_policy_index{${of}}`;
  const answers = await queryAll(url, [
    `last_over_time(${index}[${REMEMBERED}])`,
    `last_over_time(graylane_policy_revision{${of}}[${REMEMBERED}])`,
    `timestamp(${index})`,
    `up and on (job, instance) last_over_time(${index}[${REMEMBERED}])`,
    `graylane_discovery_watch{${of}} == 1`,
    // A collector writes the unit into the name.
    `{__name__=~"graylane_discovery_staleness(_seconds)?",${of}} > 0`,
    `graylane_policy_shortfalls{${of}} > 0`,
  ]);
  if ('failure' in answers) return answers;
  const [indices = [], revisions = [], times = [], up = [], watches = [], ages = [], shortfalls = []] = answers;
  const rejected = byClient(indices.filter(({ labels }) => labels['graylane_state'] === 'rejected'));
  const [revisionOfClient, timeOfClient] = [byClient(revisions), byClient(times)];
  const missingOfClient = byClient(shortfalls);
  const targets = new Map(up.map((sample) => [targetOf(sample.labels), sample.value]));
  return indices.flatMap(({ labels, value: index }): ClientStatus[] => {
    if (labels['graylane_state'] !== 'applied') return [];
    const key = clientKeyOf(labels);
    const watched = watches.filter((each) => clientKeyOf(each.labels) === key);
    const time = timeOfClient.get(key);
    // Not seen and not scraped any more: the process has ended, or its client has another name.
    if (time === undefined && targets.get(targetOf(labels)) !== 0) return [];
    const revision = revisionOf(revisionOfClient.get(key)?.value);
    // A closed client, or one that has made no calls for long and watches nothing, reports zeros.
    if (index === 0 && revision === 'none' && watched.length === 0) return [];
    const missing = missingOfClient.get(key)?.value ?? 0;
    const trouble = troubleOf(time !== undefined, watched, ages, key);
    return [
      {
        process: nameOf(labels),
        client: labels['graylane_client'],
        service: labels['graylane_service'] ?? '',
        index,
        rejectedIndex: rejected.get(key)?.value ?? 0,
        revision,
        watches: watched.map((each) => each.labels['graylane_datacenter'] ?? ''),
        ageMs: time === undefined ? 0 : Math.max(0, Math.round((time.at - time.value) * 1000)),
        ...(missing === 0 ? {} : { shortfall: `cannot have ${counted(missing, 'thing')} ${SHORTFALL}` }),
        ...defined({ trouble }),
      },
    ];
  });
}

function troubleOf(
  isSeen: boolean,
  watched: readonly Sample[],
  ages: readonly Sample[],
  key: string,
): ClientStatus['trouble'] {
  if (!isSeen) return { reason: 'unreachable', details: 'Prometheus cannot scrape it' };
  const bad = watched.filter(({ labels }) => labels['graylane_state'] !== 'fresh');
  const [first] = bad;
  if (first === undefined) return undefined;
  const datacenter = first.labels['graylane_datacenter'] ?? '';
  const age = ages.find(({ labels }) => clientKeyOf(labels) === key && labels['graylane_datacenter'] === datacenter);
  const since = age === undefined ? '' : ` for ${formatDuration(age.value * 1000)}`;
  const isSilent = first.labels['graylane_state'] === 'pending' && bad.length === watched.length;
  if (isSilent) return { reason: 'silent', details: `has heard nothing from ${datacenter}${since}` };
  return { reason: 'stale', details: `has not heard from ${datacenter}${since}` };
}

/** The gauge holds the 12 hexadecimal digits as a number, 0 where there is none. */
function revisionOf(value: number | undefined): string {
  return value === undefined || value === 0 ? 'none' : value.toString(16).padStart(12, '0');
}

function byClient(samples: readonly Sample[]): ReadonlyMap<string, Sample> {
  return new Map(samples.map((sample) => [clientKeyOf(sample.labels), sample]));
}

const NOT_OF_CLIENT = ['__name__', 'graylane_state', 'graylane_datacenter'];

/** The same for all gauges of one service in one client of one process. */
function clientKeyOf(labels: Labels): string {
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

/**
 * Asks each process itself. An unreachable process is in the result; a process that does not use the service now is
 * not.
 */
export async function clientsFromUrls(urls: readonly URL[], service: string): Promise<readonly ClientStatus[]> {
  const clients = await Promise.all(
    urls.map(async (url): Promise<readonly ClientStatus[]> => {
      const process = shownUrl(url);
      const answer = await inspectProcess(url);
      if ('failure' in answer) {
        const trouble = { reason: 'unreachable', details: answer.failure } as const;
        const nothing = { client: undefined, index: 0, rejectedIndex: 0, revision: 'none', watches: [], ageMs: 0 };
        return [{ process, service, ...nothing, trouble }];
      }
      const { client, services } = answer.body;
      return services
        .filter((one) => one.service === service && !isIdle(one))
        .map((one) => sightingOf(process, client, one));
    }),
  );
  return clients.flat();
}

function sightingOf(process: string, client: string, inspection: ServiceInspection): ClientStatus {
  const { policy, target, service } = inspection;
  const { rejected, origin } = policy;
  const [problem] = rejected?.problems ?? [];
  const [shortfall] = policy.shortfalls ?? [];
  const trouble = troubleIn(inspection);
  const query = target.includes('?') ? target.slice(target.indexOf('?')) : '';
  return {
    process,
    client,
    service: `${service}${query}`,
    // Config entries have indices, too, of another kind.
    index: origin === 'kv' ? Number(policy.index ?? 0) : 0,
    rejectedIndex: Number(rejected?.index ?? 0),
    revision: policy.revision ?? 'none',
    watches: inspection.datacenters.map(({ datacenter }) => datacenter),
    ageMs: 0,
    ...defined({ refusal: problem?.message, shortfall: shortfall?.message, trouble }),
  };
}

function troubleIn({ pending, policy, datacenters }: ServiceInspection): ClientStatus['trouble'] {
  if (policy.failure !== undefined) {
    return { reason: policy.revision === undefined ? 'silent' : 'stale', details: policy.failure };
  }
  const old = datacenters.find(({ freshness }) => freshness === 'stale');
  if (old !== undefined) {
    const since = old.staleForMs === undefined ? '' : ` for ${formatDuration(old.staleForMs)}`;
    return { reason: 'stale', details: `has not heard from ${old.datacenter}${since}: ${old.reason ?? 'no answer'}` };
  }
  if (policy.revision === undefined) return { reason: 'silent', details: pending ?? 'has heard nothing yet' };
  return undefined;
}
