import type { ServiceInspection } from '../../client/admin/inspect';
import { shownUrl } from '../fetch-json';
import { inspectProcess, isIdle } from '../inspect/running-process';
import { spellDuration } from '../spell-duration';
import type { Sighting } from './member';

/** Asks each process itself. One that does not answer is told as such; one that does not use the service, or not now, is left out. */
export async function sightByUrls(urls: readonly URL[], service: string): Promise<readonly Sighting[]> {
  const sighted = await Promise.all(
    urls.map(async (url): Promise<readonly Sighting[]> => {
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
  return sighted.flat();
}

function sightingOf(process: string, client: string, inspection: ServiceInspection): Sighting {
  const { policy, target, service } = inspection;
  const { rejected, origin } = policy;
  const [problem] = rejected?.problems ?? [];
  const [shortfall] = policy.shortfalls ?? [];
  const trouble = troubleOf(inspection);
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
    ...(problem === undefined ? {} : { refusal: problem.message }),
    ...(shortfall === undefined ? {} : { shortfall: shortfall.message }),
    ...(trouble === undefined ? {} : { trouble }),
  };
}

function troubleOf({ pending, policy, datacenters }: ServiceInspection): Sighting['trouble'] {
  if (policy.failure !== undefined) {
    return { reason: policy.revision === undefined ? 'silent' : 'stale', details: policy.failure };
  }
  const old = datacenters.find(({ freshness }) => freshness === 'stale');
  if (old !== undefined) {
    const since = old.staleForMs === undefined ? '' : ` for ${spellDuration(old.staleForMs)}`;
    return { reason: 'stale', details: `has not heard from ${old.datacenter}${since}: ${old.reason ?? 'no answer'}` };
  }
  if (policy.revision === undefined) return { reason: 'silent', details: pending ?? 'has heard nothing yet' };
  return undefined;
}
