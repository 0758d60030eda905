import { defined } from '../../base/defined';
import { SERVICE_NAME } from '../../base/names';
import { showValue } from '../../base/shorten';
import { type Fields, fieldsOf, listOf } from '../../policy/chain/report';
import type { LabelMatcherDocument, MatchDocument } from '../../policy/document';
import { methodPattern } from '../../policy/method-pattern';
import { headerFault, inverted, mergeMatchers, regexMatcher } from '../imports/matchers';
import type { PlaceReport } from '../imports/report';
import { entriesOf } from '../imports/resources';
import { type CookieCondition, cookieCondition } from './cookie';
import { type IstioView, namesGateway } from './select';

const KINDS = ['exact', 'prefix', 'regex'] as const;
const KNOWN: readonly string[] = [
  // These two choose no calls.
  'name',
  'statPrefix',
  'uri',
  'ignoreUriCase',
  'headers',
  'withoutHeaders',
  'method',
  'gateways',
  'port',
  'sourceLabels',
];
const LEFT_OUT = 'this match is left out';
const ONE_OF = 'not one of exact, prefix and regex';
const NO_SUCH_THING: Readonly<Record<string, string>> = {
  queryParams: `a gRPC call has no query parameters; ${LEFT_OUT}`,
  sourceNamespace: `give the callers a static label and match on it; ${LEFT_OUT}`,
  authority: `a Graylane client calls one service; ${LEFT_OUT}`,
  scheme: `not seen by routing; ${LEFT_OUT}`,
};
/** Labels of a workload that name its service, by custom. */
const NAME_LABELS: readonly string[] = ['app', 'app.kubernetes.io/name'];
/** Keys of `headers` that Istio does not look at: conditions on them have fields of their own. */
const IGNORED_HEADERS: readonly string[] = ['uri', 'scheme', 'method', 'authority'];

/**
 * Imports one entry of a route's `match`. Undefined matches every call. `false`: a condition cannot be expressed, so
 * the entry is left out and told, because sending calls the wrong way would be worse.
 */
export function importMatch(
  fields: Fields,
  path: string,
  namespace: string | undefined,
  view: IstioView,
  report: PlaceReport,
): MatchDocument | undefined | false {
  const gateways = listOf(fields['gateways']).map(String);
  if (gateways.length > 0 && !namesGateway(gateways, namespace, view.gateways)) {
    report.note(`${path}.gateways`, `for calls by ${gateways.join(', ')} alone; left out`);
    return false;
  }
  report.read(fields, path, KNOWN, NO_SUCH_THING, `not mapped; ${LEFT_OUT}`);
  let isWhole = Object.keys(fields).every((name) => KNOWN.includes(name) || (fields[name] ?? null) === null);
  const methods = importUri(fields, path, report);
  if ((fields['method'] ?? undefined) !== undefined && !acceptsPost(fields['method'])) {
    report.cannot(`${path}.method`, `gRPC calls are all POST; ${LEFT_OUT}`);
    isWhole = false;
  }
  if (!fitsPort(fields['port'], `${path}.port`, view, report)) isWhole = false;
  const from = importSource(fields['sourceLabels'], `${path}.sourceLabels`, report);
  if (from === false) isWhole = false;
  const labels = new Map<string, LabelMatcherDocument>();
  for (const [field, isWithout] of [
    ['headers', false],
    ['withoutHeaders', true],
  ] as const) {
    for (const [name, condition] of entriesOf(fields[field])) {
      const at = `${path}.${field}.${name}`;
      if (IGNORED_HEADERS.includes(name)) {
        report.note(at, 'not looked at, as in Istio, which has a field of its own for it');
        continue;
      }
      const cookie = name.toLowerCase() === 'cookie' ? importCookie(condition, at, report) : undefined;
      const matcher = cookie?.matcher ?? importHeader(name, condition, at, report);
      const key = cookie?.key ?? name.toLowerCase();
      const merged = matcher && mergeMatchers(labels.get(key), isWithout ? inverted(matcher) : matcher);
      if (matcher !== undefined && merged === undefined) {
        report.cannot(at, `two conditions on one header; ${LEFT_OUT}`);
      }
      if (merged === undefined) isWhole = false;
      else labels.set(key, merged);
    }
  }
  if (!isWhole || methods === false || from === false) return false;
  if (methods === undefined && labels.size === 0 && from === undefined) return undefined;
  return defined({ methods, labels: labels.size === 0 ? undefined : Object.fromEntries(labels), from });
}

/** The workload that calls, by the labels that name its service. Undefined: any. False, and told, for other labels. */
function importSource(value: unknown, path: string, report: PlaceReport): readonly string[] | undefined | false {
  const labels = entriesOf(value);
  if (labels.length === 0) return undefined;
  const names = new Set(labels.map(([, name]) => name));
  const [name] = names;
  const isNamed = labels.every(([label]) => NAME_LABELS.includes(label)) && names.size === 1;
  if (!isNamed || typeof name !== 'string' || !SERVICE_NAME.test(name)) {
    report.cannot(path, `give the callers a static label and match on it; ${LEFT_OUT}`);
    return false;
  }
  report.note(path, `from: [${name}] holds for clients that state it: createGraylane({ serviceName: '${name}' })`);
  return [name];
}

/** The whole header is no label, since it holds credentials; one cookie may be. */
function importCookie(condition: unknown, at: string, report: PlaceReport): CookieCondition | undefined {
  const [kind, text] = conditionOf(condition);
  const found = kind === undefined ? undefined : cookieCondition(kind, text);
  if (found !== undefined) report.note(at, `one cookie, whatever others there are: ${found.key}`);
  return found;
}

/** A condition on the port of the service that is called. */
function fitsPort(port: unknown, path: string, view: IstioView, report: PlaceReport): boolean {
  if (port === undefined || port === null || port === 0 || port === view.port) return true;
  if (view.port === undefined) {
    report.cannot(path, `${showValue(port)}; ${LEFT_OUT}: say with --port which port of the service is called`);
  } else report.note(path, `${showValue(port)}, and calls go to ${view.port}; ${LEFT_OUT}`);
  return false;
}

function importUri(fields: Fields, path: string, report: PlaceReport): readonly string[] | undefined | false {
  const uri = fields['uri'];
  if (uri === undefined || uri === null) return undefined;
  const [kind, text] = conditionOf(uri);
  const pattern = kind === undefined ? ({ kind: 'unsayable', why: ONE_OF } as const) : methodPattern(kind, text);
  if (pattern.kind === 'any') return undefined;
  if (fields['ignoreUriCase'] === true) {
    report.cannot(`${path}.ignoreUriCase`, 'methods are matched as they are written');
  }
  if (pattern.kind === 'methods') {
    if (pattern.instead !== undefined) report.cannot(`${path}.uri.${kind}`, pattern.instead);
    return pattern.methods;
  }
  const why = pattern.kind === 'never' ? 'no gRPC call has such a path' : pattern.why;
  report.cannot(kind === undefined ? `${path}.uri` : `${path}.uri.${kind}`, `${why}; ${LEFT_OUT}`);
  return false;
}

/** An empty condition holds for every call that has the header. */
function importHeader(
  name: string,
  condition: unknown,
  at: string,
  report: PlaceReport,
): LabelMatcherDocument | undefined {
  const fault = headerFault(name);
  if (fault !== undefined) {
    report.cannot(at, `not routed by (expected: ${fault}); ${LEFT_OUT}`);
    return undefined;
  }
  const [kind, text] = conditionOf(condition);
  if (kind === undefined) {
    if (Object.keys(fieldsOf(condition)).length === 0) return { present: true };
    const shown = entriesOf(condition).map(
      ([field, value]) =>
        `${field}: ${typeof value === 'object' ? showValue(value) : report.written(`${at}.${field}`, value)}`,
    );
    report.cannot(at, `${shown.join(', ')} (expected: exact, prefix or regex, and a text); ${LEFT_OUT}`);
    return undefined;
  }
  if (kind === 'exact') return text;
  if (kind === 'prefix') return text === '' ? { present: true } : { prefix: text };
  const regex = regexMatcher(text);
  if (typeof regex !== 'string') return regex;
  report.cannot(`${at}.regex`, `${regex}; ${LEFT_OUT}`);
  return undefined;
}

/** None where there are several, or one that is not known: what they mean together is nowhere said. */
function conditionOf(value: unknown): readonly [(typeof KINDS)[number], string] | readonly [undefined, string] {
  const given = entriesOf(value).filter(([, text]) => text !== null);
  const [name, text] = given[0] ?? [];
  const kind = given.length === 1 && typeof text === 'string' ? KINDS.find((each) => each === name) : undefined;
  return kind === undefined ? [undefined, ''] : [kind, String(text)];
}

function acceptsPost(method: unknown): boolean {
  const [kind, text] = conditionOf(method);
  if (kind === 'exact') return text === 'POST';
  return kind === 'prefix' ? 'POST'.startsWith(text) : kind === 'regex' && text === '.*';
}
