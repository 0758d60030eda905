import { defined } from '../../base/defined';
import { fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { RetryDocument, RouteDocument, SplitEntryDocument, StatusName } from '../../policy/document';
import { statusesOfCondition, statusOfHttp } from '../../policy/envoy-retries';
import { MAX_SPLIT_ENTRIES } from '../../policy/limits';
import type { PlaceReport } from '../imports/report';
import type { Resource } from '../imports/resources';
import type { RouteNames } from '../imports/sound';
import { type HttpRule, httpRules } from './delegates';
import { importMatch } from './match';
import { type DestinationRules, tellNamespaces } from './rules';
import type { IstioRules, IstioView } from './select';

const SPEC: readonly string[] = ['hosts', 'gateways', 'http', 'exportTo'];
const ROUTE: readonly string[] = ['name', 'match', 'route', 'timeout', 'retries'];
const ROUTE_REASONS: Readonly<Record<string, string>> = {
  fault: 'faults are injected in tests, by graylane.fail()',
  mirror: 'calls are not mirrored',
  mirrors: 'calls are not mirrored',
  mirrorPercent: 'calls are not mirrored',
  mirrorPercentage: 'calls are not mirrored',
  rewrite: 'calls are not rewritten',
  redirect: 'calls are not redirected',
  directResponse: 'every call goes to an instance',
  headers: 'metadata is not changed',
  corsPolicy: 'for browsers',
};
/** Where `attempts` stands alone. https://istio.io/latest/docs/concepts/traffic-management/#retries */
const USUAL_CONDITIONS = 'connect-failure,refused-stream,unavailable,cancelled';
const MOST_ATTEMPTS = 5;

export interface RouteContext {
  readonly selected: IstioRules;
  readonly rules: DestinationRules;
  readonly view: IstioView;
  readonly names: RouteNames;
}

/** A route, and the path of the rule that it comes from. */
export interface ImportedRoute {
  readonly route: RouteDocument;
  readonly from: string;
}

/**
 * The routes of a VirtualService, in order. What a document cannot express is told, and a route without a destination
 * is left out.
 */
export function importRoutes(resource: Resource, context: RouteContext): readonly ImportedRoute[] {
  const { spec, path, report } = resource;
  report.read(spec, `${path}.spec`, SPEC, { tcp: 'for TCP', tls: 'for TLS' });
  tellNamespaces(spec['exportTo'], `${path}.spec.exportTo`, report);
  return httpRules(resource, context.selected.delegates).flatMap((rule) => importRule(rule, context));
}

function importRule(rule: HttpRule, context: RouteContext): readonly ImportedRoute[] {
  const { path: at, fields, report, namespace } = rule;
  report.read(fields, at, ROUTE, ROUTE_REASONS);
  const where = importDestinations(rule, context);
  if (where === undefined) {
    report.cannot(at, 'left out, as it leads to no instance of the service; its calls go on to the routes that follow');
    return [];
  }
  const timeoutMs = report.duration(fields['timeout'], `${at}.timeout`);
  const retry = importRetries(fields['retries'], `${at}.retries`, report);
  const perTry = fieldsOf(fields['retries'])['perTryTimeout'];
  const attemptTimeoutMs = report.duration(perTry, `${at}.retries.perTryTimeout`);
  const rest = { ...where, ...defined({ timeoutMs, attemptTimeoutMs, retry }) };
  const name = textOf(fields['name']) ?? at.slice(at.indexOf('.spec.') + '.spec.'.length);
  const made = (match?: RouteDocument['match']): ImportedRoute => ({
    route: { name: context.names.unique(name), ...defined({ match }), ...rest },
    from: at,
  });
  const entries = listOf(fields['match']);
  if (entries.length === 0) return [made()];
  // Alternatives of one route are routes that follow one another.
  return entries.flatMap((entry, position) => {
    const match = importMatch(fieldsOf(entry), `${at}.match[${position}]`, namespace, context.view, report);
    return match === false ? [] : [made(match)];
  });
}

function importDestinations(
  { path: at, fields, namespace, report }: HttpRule,
  { selected, rules }: RouteContext,
): Pick<RouteDocument, 'to' | 'split'> | undefined {
  const destinations = listOf(fields['route']).map(fieldsOf);
  const weights = new Map<string, number>();
  for (const [index, each] of destinations.entries()) {
    const path = `${at}.route[${index}]`;
    report.read(each, path, ['destination', 'weight'], { headers: 'metadata is not changed' });
    const destination = report.read(each['destination'], `${path}.destination`, ['host', 'subset', 'port']);
    if (destination['port'] !== undefined) {
      report.cannot(`${path}.destination.port`, 'an instance is called at the port that it registered');
    }
    const host = textOf(destination['host']) ?? '';
    if (!selected.isOwn(host, namespace)) {
      const text = `${host}; a document leads to instances of its own service, and this is left out`;
      report.cannot(`${path}.destination.host`, text);
      continue;
    }
    const subset = textOf(destination['subset']);
    // One alone receives all calls, whatever its weight.
    const weight = destinations.length === 1 ? 100 : (each['weight'] ?? 0);
    if (typeof weight !== 'number' || !(weight >= 0) || !Number.isFinite(weight)) {
      report.cannot(
        `${path}.weight`,
        `${report.written(`${path}.weight`, weight)} (expected: a number >= 0); left out`,
      );
      continue;
    }
    const name = rules.nameOf(subset, `${path}.destination.subset`, report);
    if (name !== undefined) weights.set(name, (weights.get(name) ?? 0) + weight);
  }
  const split = [...weights].map(([to, weight]): SplitEntryDocument => ({ to, weight }));
  if (!split.some(({ weight }) => weight > 0)) return undefined;
  if (split.length > MAX_SPLIT_ENTRIES) {
    report.cannot(`${at}.route`, `${split.length} subsets (expected: at most ${MAX_SPLIT_ENTRIES})`);
    return undefined;
  }
  const [only] = split;
  return split.length === 1 && only !== undefined ? { to: only.to } : { split };
}

/** `attempts` are retries there and all tries here. */
function importRetries(value: unknown, path: string, report: PlaceReport): RetryDocument | 'off' | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = report.read(value, path, ['attempts', 'retryOn', 'backoff', 'perTryTimeout'], {
    retryRemoteLocalities: 'retries go on to the next tier by themselves',
    retryIgnorePreviousHosts: 'a retry goes to an instance that was not tried, wherever there is one',
  });
  const attempts = fields['attempts'];
  if (attempts === 0) return 'off';
  if (attempts !== undefined && !(typeof attempts === 'number' && attempts > 0 && Number.isInteger(attempts))) {
    const shown = report.written(`${path}.attempts`, attempts);
    report.cannot(`${path}.attempts`, `${shown} (expected: a whole number); retried as by default`);
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
    ...defined({ initialBackoffMs: backoff }),
  };
}
