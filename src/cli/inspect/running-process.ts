import { isRecord } from '../../base/is-record';
import type { ServiceInspection } from '../../client/admin/inspect';
import type { ServiceTraffic } from '../../client/admin/page/page-view';
import type { ClientInspection } from '../../client/api';
import { below, type Fetched, fetchJson, shownUrl } from '../fetch-json';

const PATH = /\/(?:inspect|explain|decisions|traffic|policy)\/?$/;

/** Asks the `graylane.adminHandler()` of a running process, mounted at `base`. Never rejects. */
export async function askProcess<T>(
  base: URL,
  name: 'inspect' | 'explain' | 'decisions' | 'traffic',
  query: Readonly<Record<string, string>> = {},
): Promise<Fetched<T>> {
  const mounted = new URL(base);
  // The address of one of its answers, as copied from a browser.
  mounted.pathname = base.pathname.replace(PATH, '') || '/';
  mounted.search = '';
  const answer = await fetchJson(below(mounted, name, query));
  if ('failure' in answer) return answer;
  if (isExpected(name, answer.body)) return { body: answer.body as T };
  return { failure: `${shownUrl(mounted)}/${name} is not an answer of graylane.adminHandler()` };
}

/** What a process says of its Graylane client. */
export function inspectProcess(base: URL): Promise<Fetched<ClientInspection>> {
  return askProcess<ClientInspection>(base, 'inspect');
}

/** Attempts of the last minutes, of one service. */
export function trafficOf(base: URL, service: string): Promise<Fetched<readonly ServiceTraffic[]>> {
  return askProcess<readonly ServiceTraffic[]>(base, 'traffic', { service });
}

function isExpected(name: string, body: unknown): boolean {
  if (name === 'decisions') return Array.isArray(body);
  if (name === 'traffic') return Array.isArray(body) && body.every(isTraffic);
  if (!isRecord(body)) return false;
  if (name === 'explain') return isRecord(body['routing']) && Array.isArray(body['tiers']);
  const { client, services } = body;
  return typeof client === 'string' && Array.isArray(services) && services.every(isService);
}

function isService(value: unknown): boolean {
  if (!isRecord(value) || typeof value['service'] !== 'string' || !isRecord(value['policy'])) return false;
  return ['datacenters', 'endpoints', 'breakers'].every((key) => Array.isArray(value[key]));
}

/** The client has not called the service for a while and does not watch it. The next call reads all again. */
export function isIdle({ policy, datacenters }: ServiceInspection): boolean {
  const isKnown = policy.revision !== undefined || policy.failure !== undefined || policy.rejected !== undefined;
  return !isKnown && datacenters.length === 0;
}

function isTraffic(value: unknown): boolean {
  if (!isRecord(value) || typeof value['stepMs'] !== 'number' || !isSeries(value['times'])) return false;
  const { subsets } = value;
  return (
    Array.isArray(subsets) &&
    subsets.every((each) => {
      return (
        isRecord(each) && typeof each['subset'] === 'string' && isSeries(each['attempts']) && isSeries(each['failed'])
      );
    })
  );
}

function isSeries(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'number');
}
