import { defined } from '../../base/defined';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type {
  LabelMatcherDocument,
  MatchDocument,
  RetryDocument,
  RouteDocument,
  RouteTargetDocument,
  SplitEntryDocument,
  StatusName,
} from '../../policy/document';
import { statusesOfCondition, statusOfHttp } from '../../policy/envoy-retries';
import { labelKeyFault } from '../../policy/label-key';
import { regexFault } from '../../policy/matchers/regex';
import { methodPattern } from '../../policy/method-pattern';
import { entriesOf, type IstioReport, type IstioResource, serviceOfHost } from './resources';

/** The subset that a destination without one leads to. */
export type NameOfSubset = (subset: string | undefined, path: string) => string | undefined;

const SPEC: readonly string[] = ['hosts', 'gateways', 'http'];
const ROUTE: readonly string[] = ['name', 'match', 'route', 'timeout', 'retries'];
const ROUTE_REASONS: Readonly<Record<string, string>> = {
  fault: 'faults are injected in tests, by graylane.fail()',
  mirror: 'mirrors are not imported: write mirror: { to, percent } on the route',
  mirrors: 'mirrors are not imported: write mirror: { to, percent } on the route',
  mirrorPercentage: 'mirrors are not imported: write mirror: { to, percent } on the route',
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

/**
 * The routes of a VirtualService, in order. What a document cannot express is reported, and a route without a
 * destination is left out.
 */
export function importRoutes(
  resource: IstioResource,
  service: string,
  nameOf: NameOfSubset,
  report: IstioReport,
): readonly RouteDocument[] {
  const { spec, path, namespace } = resource;
  report.read(spec, `${path}.spec`, SPEC, {
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
    const at = `${path}.spec.http[${index}]`;
    const fields = report.read(each, at, ROUTE, ROUTE_REASONS);
    const where = importDestinations(fields['route'], at, { namespace, service, nameOf, report });
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
    const rest = { ...where, ...defined({ timeoutMs, attemptTimeoutMs, retry }) };
    const name = textOf(fields['name'])?.slice(0, MOST_NAME_CHARACTERS) ?? `http[${index}]`;
    const entries = listOf(fields['match']);
    if (entries.length === 0) return [{ name: unique(name, names), ...rest }];
    // Alternatives of one route are routes that follow one another.
    return entries.flatMap((entry, position): readonly RouteDocument[] => {
      const match = importMatch(fieldsOf(entry), `${at}.match[${position}]`, report);
      if (match === false) return [];
      return [{ name: unique(name, names), ...defined({ match }), ...rest }];
    });
  });
}

interface RouteContext {
  readonly namespace: string | undefined;
  readonly service: string;
  readonly nameOf: NameOfSubset;
  readonly report: IstioReport;
}

function importDestinations(
  route: unknown,
  at: string,
  { namespace, service, nameOf, report }: RouteContext,
): RouteTargetDocument | undefined {
  const destinations = listOf(route).map(fieldsOf);
  const weights = new Map<string, number>();
  for (const [index, each] of destinations.entries()) {
    const path = `${at}.route[${index}]`;
    report.read(each, path, ['destination', 'weight'], { headers: 'metadata is not changed' });
    const destination = report.read(each['destination'], `${path}.destination`, ['host', 'subset', 'port']);
    if (destination['port'] !== undefined) {
      report.cannot(`${path}.destination.port`, 'an instance is called at the port that it registered');
    }
    const host = textOf(destination['host']) ?? '';
    if (serviceOfHost(host, namespace) !== service) {
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
  const fields = report.read(value, path, ['attempts', 'retryOn', 'backoff', 'perTryTimeout'], {
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
    ...defined({ initialBackoffMs: backoff }),
  };
}

function unique(name: string, names: Set<string>): string {
  let found = name;
  for (let number = 2; names.has(found); number += 1) found = `${name} (${number})`;
  names.add(found);
  return found;
}

const KINDS = ['exact', 'prefix', 'regex'] as const;
/** Fields that do not choose calls. */
const NAMES: readonly string[] = ['name', 'statPrefix'];
const KNOWN: readonly string[] = [
  ...NAMES,
  'uri',
  'ignoreUriCase',
  'headers',
  'withoutHeaders',
  'method',
  'gateways',
  'port',
];
const NO_SUCH_THING: Readonly<Record<string, string>> = {
  queryParams: 'a gRPC call has no query parameters; this match is left out',
  sourceLabels: 'give the callers a static label and match on it; this match is left out',
  sourceNamespace: 'give the callers a static label and match on it; this match is left out',
  authority: 'a Graylane client calls one service; this match is left out',
  scheme: 'not seen by routing; this match is left out',
};

/**
 * Imports one entry of a route's `match`. Undefined matches every call. `false`: a condition cannot be expressed, so
 * the entry is left out and reported, because sending calls the wrong way would be worse.
 */
function importMatch(fields: Fields, path: string, report: IstioReport): MatchDocument | undefined | false {
  report.read(fields, path, KNOWN, NO_SUCH_THING);
  let isWhole = Object.keys(fields).every((name) => KNOWN.includes(name) || fields[name] === null);
  const methods = importUri(fields, path, report);
  const method = fieldsOf(fields['method']);
  if (fields['method'] !== undefined && !acceptsPost(method)) {
    report.cannot(`${path}.method`, 'gRPC calls are all POST; this match is left out');
    isWhole = false;
  }
  const gateways = listOf(fields['gateways']);
  if (gateways.length > 0 && !gateways.includes('mesh')) {
    report.cannot(`${path}.gateways`, 'for calls by a gateway; this match is left out');
    isWhole = false;
  }
  if (fields['port'] !== undefined) report.cannot(`${path}.port`, 'instances have one port; not looked at');
  const labels = new Map<string, LabelMatcherDocument>();
  for (const [field, isWithout] of [
    ['headers', false],
    ['withoutHeaders', true],
  ] as const) {
    for (const [name, condition] of entriesOf(fields[field])) {
      const at = `${path}.${field}.${name}`;
      const matcher = importHeader(name, condition, at, report);
      const key = name.toLowerCase();
      const merged = matcher && merge(labels.get(key), isWithout ? inverted(matcher) : matcher);
      if (matcher !== undefined && merged === undefined)
        report.cannot(at, 'two conditions on one header; this match is left out');
      if (merged === undefined) isWhole = false;
      else labels.set(key, merged);
    }
  }
  if (!isWhole || methods === false) return false;
  if (methods === undefined && labels.size === 0) return undefined;
  return defined({ methods, labels: labels.size === 0 ? undefined : Object.fromEntries(labels) });
}

function importUri(fields: Fields, path: string, report: IstioReport): readonly string[] | undefined | false {
  if (fields['uri'] === undefined) return undefined;
  const [kind, text] = conditionOf(fields['uri']);
  const pattern =
    kind === undefined ? ({ kind: 'unsayable', why: 'no exact, prefix or regex' } as const) : methodPattern(kind, text);
  if (pattern.kind === 'any') return undefined;
  if (fields['ignoreUriCase'] === true)
    report.cannot(`${path}.ignoreUriCase`, 'methods are matched as they are written');
  if (pattern.kind === 'methods') {
    if (pattern.instead !== undefined) report.cannot(`${path}.uri.${kind}`, pattern.instead);
    return pattern.methods;
  }
  const why = pattern.kind === 'never' ? 'no gRPC call has such a path' : pattern.why;
  report.cannot(kind === undefined ? `${path}.uri` : `${path}.uri.${kind}`, `${why}; this match is left out`);
  return false;
}

/** An empty condition matches every call that has the header. */
function importHeader(
  name: string,
  condition: unknown,
  at: string,
  report: IstioReport,
): LabelMatcherDocument | undefined {
  const fault = labelKeyFault(name.toLowerCase());
  if (fault !== undefined) {
    report.cannot(at, `not routed by (expected: ${fault}); this match is left out`);
    return undefined;
  }
  const [kind, text] = conditionOf(condition);
  if (kind === undefined) {
    if (Object.keys(fieldsOf(condition)).length === 0) return { present: true };
    report.cannot(at, 'no exact, prefix or regex; this match is left out');
    return undefined;
  }
  if (kind === 'exact') return text;
  if (kind === 'prefix') return text === '' ? { present: true } : { prefix: text };
  const regex = regexFault(text);
  if (regex === undefined) return { regex: text };
  report.cannot(`${at}.regex`, `cannot be evaluated (expected: ${regex}); this match is left out`);
  return undefined;
}

/** The negated condition also matches a call without the header, as Istio's `withoutHeaders` does. */
function inverted(matcher: LabelMatcherDocument): LabelMatcherDocument {
  return typeof matcher === 'object' && matcher.present === true ? { present: false } : { not: matcher };
}

function merge(known: LabelMatcherDocument | undefined, added: LabelMatcherDocument): LabelMatcherDocument | undefined {
  if (known === undefined) return added;
  const [first, second] = [known, added].map((each) => (typeof each === 'string' ? { exact: each } : each));
  const clash = Object.keys(second ?? {}).some((name) => Object.hasOwn(first ?? {}, name));
  return clash ? undefined : { ...first, ...second };
}

function conditionOf(value: unknown): readonly [(typeof KINDS)[number], string] | readonly [undefined, string] {
  const fields = fieldsOf(value);
  const kind = KINDS.find((name) => typeof fields[name] === 'string');
  return kind === undefined ? [undefined, ''] : [kind, String(fields[kind])];
}

function acceptsPost(method: Fields): boolean {
  const exact = textOf(method['exact']);
  const prefix = textOf(method['prefix']);
  if (exact !== undefined) return exact === 'POST';
  return prefix !== undefined ? 'POST'.startsWith(prefix) : textOf(method['regex']) === '.*';
}
