import type { RetryDocument, RouteDocument, SplitEntryDocument, StatusName } from '../../policy/document';
import { statusesOfCondition, statusOfHttp } from '../../policy/envoy-retries';
import { importMatch } from './match';
import { type Fields, fieldsOf, type IstioReport, listOf, textOf } from './report';
import { type IstioResource, serviceOfHost } from './resources';

/** The subset that a destination without one leads to. */
export type NameOfSubset = (subset: string | undefined, path: string) => string | undefined;

const SPEC: readonly string[] = ['hosts', 'gateways', 'http'];
const ROUTE: readonly string[] = ['name', 'match', 'route', 'timeout', 'retries'];
const ROUTE_REASONS: Readonly<Record<string, string>> = {
  fault: 'faults are injected in tests, by graylane.fail()',
  mirror: 'calls are not mirrored',
  mirrors: 'calls are not mirrored',
  mirrorPercentage: 'calls are not mirrored',
  rewrite: 'calls are not rewritten',
  redirect: 'calls are not redirected',
  directResponse: 'every call goes to an instance',
  headers: 'metadata is not changed',
  corsPolicy: 'for browsers',
  delegate: 'merge what it delegates to into this file',
};
/** Where `attempts` stands alone. https://istio.io/latest/docs/concepts/traffic-management/#retries */
const USUAL_CONDITIONS = 'connect-failure,refused-stream,unavailable,cancelled';
const MOST_ATTEMPTS = 5;
/** Leaves room for a number. */
const MOST_NAME_CHARACTERS = 120;

/** The routes of a VirtualService, in order. What cannot be said is reported, and a route that leads nowhere left out. */
export function importRoutes(
  resource: IstioResource,
  service: string,
  nameOf: NameOfSubset,
  report: IstioReport,
): readonly RouteDocument[] {
  const { spec, path } = resource;
  report.others(`${path}.spec`, spec, SPEC, {
    tcp: 'for TCP',
    tls: 'for TLS',
    exportTo: 'not needed: a policy is read by name',
  });
  const gateways = listOf(spec['gateways']);
  if (gateways.some((name) => name !== 'mesh')) {
    report.cannot(`${path}.spec.gateways`, 'calls that come in by a gateway do not pass here');
  }
  const names = new Set<string>();
  return listOf(spec['http']).flatMap((each, index): readonly RouteDocument[] => {
    const fields = fieldsOf(each);
    const at = `${path}.spec.http[${index}]`;
    report.others(at, fields, ROUTE, ROUTE_REASONS);
    const where = importDestinations({ resource, service, fields, at }, nameOf, report);
    if (where === undefined) {
      report.cannot(
        at,
        'left out, as it leads to no instance of the service; its calls go on to the routes that follow',
      );
      return [];
    }
    const timeoutMs = report.duration(fields['timeout'], `${at}.timeout`);
    const retry = importRetries(fields['retries'], `${at}.retries`, report);
    const perTry = fieldsOf(fields['retries'])['perTryTimeout'];
    const attemptTimeoutMs = report.duration(perTry, `${at}.retries.perTryTimeout`);
    const rest = {
      ...where,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(attemptTimeoutMs === undefined ? {} : { attemptTimeoutMs }),
      ...(retry === undefined ? {} : { retry }),
    };
    const name = textOf(fields['name'])?.slice(0, MOST_NAME_CHARACTERS) ?? `http[${index}]`;
    const entries = listOf(fields['match']);
    if (entries.length === 0) return [{ name: unique(name, names), ...rest }];
    // Alternatives of one route are routes that follow one another.
    return entries.flatMap((entry, position): readonly RouteDocument[] => {
      const match = importMatch(fieldsOf(entry), `${at}.match[${position}]`, report);
      if (match === false) return [];
      return [{ name: unique(name, names), ...(match === undefined ? {} : { match }), ...rest }];
    });
  });
}

interface RouteSource {
  readonly resource: IstioResource;
  readonly service: string;
  readonly fields: Fields;
  readonly at: string;
}

function importDestinations(
  { resource, service, fields, at }: RouteSource,
  nameOf: NameOfSubset,
  report: IstioReport,
): Pick<RouteDocument, 'to' | 'split'> | undefined {
  const destinations = listOf(fields['route']).map(fieldsOf);
  const weights = new Map<string, number>();
  for (const [index, each] of destinations.entries()) {
    const path = `${at}.route[${index}]`;
    report.others(path, each, ['destination', 'weight'], { headers: 'metadata is not changed' });
    const destination = fieldsOf(each['destination']);
    report.others(`${path}.destination`, destination, ['host', 'subset', 'port'], {});
    if (destination['port'] !== undefined) {
      report.cannot(`${path}.destination.port`, 'an instance is called at the port that it registered');
    }
    const host = textOf(destination['host']) ?? '';
    if (serviceOfHost(host, resource.namespace) !== service) {
      report.cannot(
        `${path}.destination.host`,
        `${host}; a document leads to instances of its own service, and this is left out`,
      );
      continue;
    }
    const name = nameOf(textOf(destination['subset']), `${path}.destination.subset`);
    // One alone receives all calls, whatever its weight.
    const weight = destinations.length === 1 ? 100 : (each['weight'] ?? 0);
    if (typeof weight !== 'number' || !(weight >= 0) || !Number.isFinite(weight)) {
      report.cannot(`${path}.weight`, `${JSON.stringify(weight)} (expected: a number >= 0); left out`);
    } else if (name !== undefined) weights.set(name, (weights.get(name) ?? 0) + weight);
  }
  const split = [...weights].map(([to, weight]): SplitEntryDocument => ({ to, weight }));
  if (!split.some(({ weight }) => weight > 0)) return undefined;
  const [only] = split;
  return split.length === 1 && only !== undefined ? { to: only.to } : { split };
}

/** `attempts` are retries there and all tries here. */
function importRetries(value: unknown, path: string, report: IstioReport): RetryDocument | 'off' | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = fieldsOf(value);
  report.others(path, fields, ['attempts', 'retryOn', 'backoff', 'perTryTimeout'], {
    retryRemoteLocalities: 'retries go on to the next tier by themselves',
    retryIgnorePreviousHosts: 'a retry goes to an instance that was not tried, wherever there is one',
  });
  const attempts = fields['attempts'];
  if (attempts === 0) return 'off';
  if (attempts !== undefined && !(typeof attempts === 'number' && attempts > 0 && Number.isInteger(attempts))) {
    report.cannot(`${path}.attempts`, `${JSON.stringify(attempts)} (expected: a whole number); retried as by default`);
    return undefined;
  }
  const wanted = 1 + Number(attempts ?? 2);
  if (wanted > MOST_ATTEMPTS) {
    report.cannot(`${path}.attempts`, `${wanted - 1}; cut to ${MOST_ATTEMPTS - 1}, the most that grpc-js makes`);
  }
  const codes = new Set<StatusName>();
  for (const each of (textOf(fields['retryOn']) ?? USUAL_CONDITIONS).split(',').map((text) => text.trim())) {
    const status = statusOfHttp(each);
    const mapped = statusesOfCondition(each) ?? (status === undefined ? undefined : [status]);
    for (const code of mapped ?? []) codes.add(code);
    if (mapped === undefined) report.cannot(`${path}.retryOn`, `${each} is not a condition of gRPC; not retried`);
  }
  if (codes.size === 0) return 'off';
  const backoff = report.duration(fields['backoff'], `${path}.backoff`);
  return {
    maxAttempts: Math.min(wanted, MOST_ATTEMPTS),
    retryableStatusCodes: [...codes],
    ...(backoff === undefined ? {} : { initialBackoffMs: backoff }),
  };
}

function unique(name: string, names: Set<string>): string {
  let found = name;
  for (let number = 2; names.has(found); number += 1) found = `${name} (${number})`;
  names.add(found);
  return found;
}
