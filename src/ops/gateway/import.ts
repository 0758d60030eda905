import { defined } from '../../base/defined';
import { showValue } from '../../base/shorten';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type {
  DestinationDocument,
  PolicyDocument,
  RetryDocument,
  RouteDocument,
  RouteTargetDocument,
} from '../../policy/document';
import { statusOfHttp } from '../../policy/envoy-retries';
import { MAX_ATTEMPTS } from '../../policy/limits';
import { type ForeignChanges, importChanges } from '../imports/headers';
import { importMirror } from '../imports/mirror';
import { type ImportLoss, ImportReport, type PlaceReport } from '../imports/report';
import type { Resource } from '../imports/resources';
import { isPlain, RouteNames, reachableRoutes, soundDocument } from '../imports/sound';
import { TargetList, tellOther } from '../imports/targets';
import { importMatch } from './match';
import { type Parent, type ParentChoice, selectRoutes } from './parents';
import { backendsOf, type RankedMatch, rankMatches } from './rules';

export interface ImportedGateway {
  readonly document: PolicyDocument;
  readonly losses: readonly ImportLoss[];
  readonly notes: readonly string[];
  /** The rule that each route comes from, by the names of the routes. */
  readonly rules: ReadonlyMap<string, string>;
}

export interface ImportGatewayOptions {
  /** Whose rules: a Service, or a Gateway. */
  readonly parent: Parent;
  /** The service that clients call: that of the parent, unless it is a Gateway. */
  readonly service: ParentChoice['service'];
  readonly report?: ImportReport;
}

const SPEC: readonly string[] = ['parentRefs', 'rules', 'hostnames', 'useDefaultGateways'];
const RULE: readonly string[] = ['name', 'matches', 'backendRefs', 'filters', 'timeouts', 'retry'];
const FILTERS: Readonly<Record<string, string>> = {
  RequestHeaderModifier: 'metadata is changed for a whole route, not for one of its backends',
  ResponseHeaderModifier: 'metadata is changed for a whole route, not for one of its backends',
  RequestMirror: 'a route has one mirror, and its backends have none',
  RequestRedirect: 'calls are not redirected',
  URLRewrite: 'calls are not rewritten',
  CORS: 'for browsers',
  ExtensionRef: 'what it does is known to its controller alone',
};

/** HTTPRoutes and GRPCRoutes of one parent as the policy document of a service. Pure. */
export function importGateway(resources: readonly Resource[], options: ImportGatewayOptions): ImportedGateway {
  const { parent, service, report = new ImportReport() } = options;
  const selected = selectRoutes(resources, parent);
  for (const { spec, path, report: own } of selected) {
    own.read(spec, `${path}.spec`, SPEC);
    const hosts = listOf(spec['hostnames']).map(String);
    if (hosts.length > 0)
      own.note(`${path}.spec.hostnames`, `${hosts.join(', ')}: not looked at, as clients name the service`);
  }
  const names = new RouteNames();
  const rules = new Map<string, RuleParts | undefined>();
  const made = rankMatches(selected).flatMap((ranked) => {
    const { rule, path, resource, fields } = ranked;
    // Each rule once, though its matches may stand apart.
    if (!rules.has(rule)) rules.set(rule, importRule(ranked, service, resource.report));
    const parts = rules.get(rule);
    const match = parts === undefined ? false : importMatch(ranked, resource.report);
    if (match === false) return [];
    const name = textOf(fields['name']) ?? shortPath(path, resource);
    const route: RouteDocument = { name: names.unique(name), ...defined({ match }), ...parts } as RouteDocument;
    return [{ route, from: rule }];
  });
  const routes = reachableRoutes(
    made.map(({ route }) => route),
    report,
  );
  const last = routes.at(-1);
  const isTotal = last !== undefined && last.match === undefined;
  if (selected.length > 0 && !isTotal) {
    report.loss(
      undefined,
      'default',
      [],
      'every instance, for calls that no rule takes; the Gateway API has them answered with 404',
    );
  }
  const kept = last !== undefined && isPlain(last) ? routes.slice(0, -1) : routes;
  const document: PolicyDocument = { schema: 1, service: service.name, ...(kept.length === 0 ? {} : { routes: kept }) };
  return {
    document: soundDocument(document, report),
    losses: report.losses,
    notes: report.notes,
    rules: new Map(made.map(({ route, from }) => [route.name, from])),
  };
}

/** What a route has beside its name and its match. */
type RuleParts = Omit<RouteDocument, 'name' | 'match'>;

function importRule(ranked: RankedMatch, service: ParentChoice['service'], report: PlaceReport): RuleParts | undefined {
  const { fields, rule } = ranked;
  report.read(fields, rule, RULE, {
    sessionPersistence: 'no cookie is set; stickBy keeps a caller in a split by a label',
  });
  const { isRedirect, changes, mirror: copied } = importFilters(fields['filters'], `${rule}.filters`, true, report);
  const targets = new TargetList();
  for (const { service: name, namespace, weight, path, fields: backend } of backendsOf(ranked, targets, report)) {
    importFilters(backend['filters'], `${path}.filters`, false, report);
    const isOwn = isService(name, namespace, service);
    if (!isOwn && name === service.name) {
      report.cannot(`${path}.namespace`, `${String(namespace)}: in Consul it has the name of this service; left out`);
      targets.leaveOut(weight);
      continue;
    }
    targets.add(destinationOf(name, isOwn, path, report), weight);
  }
  const where = isRedirect ? undefined : targets.document(`${rule}.backendRefs`, report);
  if (where === undefined) {
    report.cannot(rule, 'left out, as it leads to no service; its calls go on to the routes that follow');
    return undefined;
  }
  const timeouts = report.read(fields['timeouts'], `${rule}.timeouts`, ['request', 'backendRequest']);
  const timeoutMs = report.duration(timeouts['request'], `${rule}.timeouts.request`);
  const attemptTimeoutMs = report.duration(timeouts['backendRequest'], `${rule}.timeouts.backendRequest`);
  const retry = importRetry(fields['retry'], `${rule}.retry`, report);
  const mirror = copied && importCopies(copied, ranked, service, where, report);
  return { ...where, ...changes, ...defined({ timeoutMs, attemptTimeoutMs, retry, mirror }) };
}

/** Whether a backend is the service that the policy is for. */
function isService(name: string | undefined, namespace: string | undefined, service: ParentChoice['service']): boolean {
  return name === service.name && (namespace === service.namespace || service.namespace === undefined);
}

function destinationOf(name: string, isOwn: boolean, path: string, report: PlaceReport): DestinationDocument {
  if (isOwn) return '*';
  tellOther(name, undefined, path, report);
  return { service: name };
}

/** A filter RequestMirror: to a service, for a percentage or a fraction of the calls. */
function importCopies(
  { path, value }: Found,
  { resource }: RankedMatch,
  service: ParentChoice['service'],
  where: RouteTargetDocument,
  report: PlaceReport,
): RouteDocument['mirror'] | undefined {
  const fields = report.read(value, path, ['backendRef', 'percent', 'fraction']);
  const at = `${path}.backendRef`;
  const backend = report.read(fields['backendRef'], at, ['name', 'namespace', 'kind', 'group', 'port']);
  const name = textOf(backend['name']);
  const isKnownKind =
    (backend['kind'] ?? 'Service') === 'Service' && ['', 'core'].includes(String(backend['group'] ?? ''));
  const namespace = textOf(backend['namespace']) ?? resource.namespace;
  const isOwn = isService(name, namespace, service);
  if (name === undefined || !isKnownKind || (!isOwn && name === service.name)) {
    report.cannot(at, `${showValue(name)} (expected: a Service, of a name of its own); left out`);
    return undefined;
  }
  const { numerator, denominator = 100 } = fieldsOf(fields['fraction']);
  const fraction = numerator === undefined ? undefined : (Number(numerator) / Number(denominator)) * 100;
  return importMirror(destinationOf(name, isOwn, at, report), fields['percent'] ?? fraction, where, path, report);
}

interface ImportedFilters {
  /** The call is answered by a redirect. */
  readonly isRedirect: boolean;
  readonly changes: Pick<RouteDocument, 'requestHeaders' | 'responseHeaders'>;
  /** The first filter of a rule that copies its calls. */
  readonly mirror: Found | undefined;
}

interface Found {
  readonly path: string;
  readonly value: unknown;
}

const MODIFIERS = {
  RequestHeaderModifier: ['requestHeaders', 'requestHeaderModifier'],
  ResponseHeaderModifier: ['responseHeaders', 'responseHeaderModifier'],
} as const;

/** `canChange`: of a whole rule, whose headers can be changed. */
function importFilters(value: unknown, path: string, canChange: boolean, report: PlaceReport): ImportedFilters {
  let isRedirect = false;
  let mirror: Found | undefined;
  const changes: { -readonly [K in keyof ImportedFilters['changes']]: ImportedFilters['changes'][K] } = {};
  for (const [index, each] of listOf(value).entries()) {
    const fields = fieldsOf(each);
    const type = textOf(fields['type']) ?? 'no type';
    const at = `${path}[${index}]`;
    isRedirect ||= type === 'RequestRedirect';
    if (canChange && type === 'RequestMirror' && mirror === undefined) {
      mirror = { path: `${at}.requestMirror`, value: fields['requestMirror'] };
      continue;
    }
    const [key, field] = canChange && Object.hasOwn(MODIFIERS, type) ? MODIFIERS[type as keyof typeof MODIFIERS] : [];
    if (key === undefined || field === undefined || changes[key] !== undefined) {
      report.cannot(at, `${type}: ${FILTERS[type] ?? 'not mapped'}`);
      continue;
    }
    const found = importChanges(changesIn(fieldsOf(fields[field]), `${at}.${field}`), report);
    if (found !== undefined) changes[key] = found;
  }
  return { isRedirect, changes, mirror };
}

function changesIn(fields: Fields, at: string): ForeignChanges {
  const list = (kind: 'set' | 'add') =>
    listOf(fields[kind]).map((each, index) => {
      const { name, value } = fieldsOf(each);
      return { path: `${at}.${kind}[${index}]`, name: String(name ?? ''), value };
    });
  const remove = listOf(fields['remove']).map((name, index) => ({
    path: `${at}.remove[${index}]`,
    name: String(name),
  }));
  return { set: list('set'), add: list('add'), remove };
}

/** `attempts` are retries there and all tries here. */
function importRetry(value: unknown, path: string, report: PlaceReport): RetryDocument | 'off' | undefined {
  if (value === undefined || value === null) return undefined;
  const fields: Fields = report.read(value, path, ['attempts', 'codes', 'backoff']);
  const { attempts = 1 } = fields;
  if (attempts === 0) return 'off';
  if (typeof attempts !== 'number' || !Number.isInteger(attempts) || attempts < 0) {
    report.cannot(
      `${path}.attempts`,
      `${report.written(`${path}.attempts`, attempts)} (expected: a whole number); not retried`,
    );
    return undefined;
  }
  if (attempts + 1 > MAX_ATTEMPTS) {
    report.cannot(`${path}.attempts`, `${attempts}; cut to ${MAX_ATTEMPTS - 1}, the most that grpc-js makes`);
  }
  const codes = listOf(fields['codes']).flatMap((code) => {
    const status = statusOfHttp(String(code));
    if (status === undefined)
      report.cannot(`${path}.codes`, `${String(code)} has no gRPC code of its own; not retried`);
    return status ?? [];
  });
  if (listOf(fields['codes']).length > 0 && codes.length === 0) return 'off';
  return {
    maxAttempts: Math.min(attempts + 1, MAX_ATTEMPTS),
    retryableStatusCodes: codes.length === 0 ? ['UNAVAILABLE'] : [...new Set(codes)],
    ...defined({ initialBackoffMs: report.duration(fields['backoff'], `${path}.backoff`) }),
  };
}

/** `payments.rules[0].matches[1]`. */
function shortPath(path: string, { name }: Resource): string {
  const at = path.indexOf('.spec.') + '.spec.'.length;
  return `${name === '' ? '' : `${name}.`}${path.slice(at)}`;
}
