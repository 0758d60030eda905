import { defined } from '../../base/defined';
import { showValue } from '../../base/shorten';
import { fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type {
  DestinationDocument,
  RetryDocument,
  RouteDocument,
  RouteTargetDocument,
  StatusName,
} from '../../policy/document';
import { statusesOfCondition, statusOfHttp } from '../../policy/envoy-retries';
import { MAX_ATTEMPTS } from '../../policy/limits';
import { importChanges } from '../imports/headers';
import { importMirror } from '../imports/mirror';
import type { PlaceReport } from '../imports/report';
import { entriesOf, type Resource } from '../imports/resources';
import type { RouteNames } from '../imports/sound';
import { TargetList, tellOther } from '../imports/targets';
import { type HttpRule, httpRules } from './delegates';
import { importFault } from './fault';
import { importMatch } from './match';
import { type DestinationRules, tellNamespaces } from './rules';
import type { IstioRules, IstioView } from './select';

const SPEC: readonly string[] = ['hosts', 'gateways', 'http', 'exportTo'];
const MIRRORS: readonly string[] = ['mirror', 'mirrors', 'mirrorPercent', 'mirrorPercentage'];
const ROUTE: readonly string[] = ['name', 'match', 'route', 'timeout', 'retries', 'headers', 'fault', ...MIRRORS];
const ROUTE_REASONS: Readonly<Record<string, string>> = {
  rewrite: 'calls are not rewritten',
  redirect: 'calls are not redirected',
  directResponse: 'every call goes to an instance',
  corsPolicy: 'for browsers',
};
const DESTINATION: readonly string[] = ['destination', 'weight'];
/** Where `attempts` stands alone. https://istio.io/latest/docs/concepts/traffic-management/#retries */
const USUAL_CONDITIONS = 'connect-failure,refused-stream,unavailable,cancelled';

export interface RouteContext {
  readonly selected: IstioRules;
  readonly rules: DestinationRules;
  readonly view: IstioView;
  readonly names: RouteNames;
  /** When faults end, RFC 3339; undefined: they are left out. */
  readonly faultUntil: string | undefined;
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
  const headers = importHeaders(rule);
  const mirror = importMirrors(rule, where, context);
  const fault = importFault(fields['fault'], `${at}.fault`, context.faultUntil, report);
  const rest = { ...where, ...headers, ...defined({ timeoutMs, attemptTimeoutMs, retry, mirror, fault }) };
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

function importDestinations(rule: HttpRule, context: RouteContext): RouteTargetDocument | undefined {
  const { path: at, fields, report } = rule;
  const destinations = listOf(fields['route']).map(fieldsOf);
  const targets = new TargetList();
  for (const [index, each] of destinations.entries()) {
    const path = `${at}.route[${index}]`;
    report.read(each, path, destinations.length === 1 ? [...DESTINATION, 'headers'] : DESTINATION, {
      headers: 'metadata is changed for a whole route, not for one of its destinations',
    });
    // One alone receives all calls, whatever its weight.
    const weight = destinations.length === 1 ? 100 : report.weight(each['weight'] ?? 0, `${path}.weight`);
    if (weight === undefined) continue;
    const to = importDestination(each['destination'], `${path}.destination`, rule, context);
    if (to === undefined) targets.leaveOut(weight);
    else targets.add(to, weight);
  }
  return targets.document(`${at}.route`, report);
}

/** One mirror: `mirror` with its percentage, or the first of `mirrors`. */
function importMirrors(
  rule: HttpRule,
  where: RouteTargetDocument,
  context: RouteContext,
): RouteDocument['mirror'] | undefined {
  const { path: at, fields, report } = rule;
  const shareOf = (value: unknown): unknown => (value ?? undefined) && (fieldsOf(value)['value'] ?? 0);
  const single = fields['mirror'] ?? undefined;
  const list = listOf(fields['mirrors']).map((each, index) => ({
    path: `${at}.mirrors[${index}]`,
    to: fieldsOf(each)['destination'],
    percent: shareOf(fieldsOf(each)['percentage']),
  }));
  const percent = shareOf(fields['mirrorPercentage']) ?? fields['mirrorPercent'] ?? undefined;
  const [first, ...others] = single === undefined ? list : [{ path: `${at}.mirror`, to: single, percent }, ...list];
  for (const { path } of others) report.cannot(path, 'left out: a route has one mirror');
  if (first === undefined) return undefined;
  const to = importDestination(first.to, first.path, rule, context);
  return to === undefined ? undefined : importMirror(to, first.percent, where, first.path, report);
}

/** The changes of a route, with those of its destination where it has one alone. */
function importHeaders({ path, fields, report }: HttpRule): Pick<RouteDocument, 'requestHeaders' | 'responseHeaders'> {
  const [only, ...others] = listOf(fields['route']).map(fieldsOf);
  const holders = [{ at: `${path}.headers`, value: fields['headers'] }];
  if (others.length === 0) holders.push({ at: `${path}.route[0].headers`, value: only?.['headers'] });
  const changes = (direction: 'request' | 'response'): RouteDocument['requestHeaders'] => {
    const list = (kind: 'set' | 'add') =>
      holders.flatMap(({ at, value }) =>
        entriesOf(fieldsOf(fieldsOf(value)[direction])[kind]).map(([name, text]) => {
          return { path: `${at}.${direction}.${kind}.${name}`, name, value: text };
        }),
      );
    const remove = holders.flatMap(({ at, value }) =>
      listOf(fieldsOf(fieldsOf(value)[direction])['remove']).map((name, index) => {
        return { path: `${at}.${direction}.remove[${index}]`, name: String(name) };
      }),
    );
    return importChanges({ set: list('set'), add: list('add'), remove }, report);
  };
  return defined({ requestHeaders: changes('request'), responseHeaders: changes('response') });
}

/** Undefined, and told, where a document cannot lead there. */
function importDestination(
  value: unknown,
  path: string,
  { namespace, report }: HttpRule,
  { selected, rules }: RouteContext,
): DestinationDocument | undefined {
  const destination = report.read(value, path, ['host', 'subset', 'port']);
  if (destination['port'] !== undefined) {
    report.cannot(`${path}.port`, 'an instance is called at the port that it registered');
  }
  const text = textOf(destination['host']) ?? '';
  const subset = textOf(destination['subset']);
  if (selected.isOwn(text, namespace)) return rules.nameOf(subset, `${path}.subset`, report);
  const host = selected.hostOf(text, namespace);
  if (host === undefined || host.domain === undefined || host.name === selected.host.name) {
    const why =
      host?.name === selected.host.name ? 'in Consul it has the name of this service' : 'no service of Consul';
    report.cannot(`${path}.host`, `${showValue(text)}: ${why}; left out`);
    return undefined;
  }
  tellOther(host.name, subset, path, report);
  return { service: host.name, ...defined({ subset }) };
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
  if (wanted > MAX_ATTEMPTS) {
    report.cannot(`${path}.attempts`, `${wanted - 1}; cut to ${MAX_ATTEMPTS - 1}, the most that grpc-js makes`);
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
    maxAttempts: Math.min(wanted, MAX_ATTEMPTS),
    retryableStatusCodes: [...codes],
    ...defined({ initialBackoffMs: backoff }),
  };
}
