import { parseDuration } from '../../policy/chain/graph';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { ParentChoice } from '../gateway/parents';
import { selectRoutes } from '../gateway/parents';
import type { Resource } from '../imports/resources';
import {
  CallHints,
  EVERYWHERE,
  matchesWhole,
  type ProxyCall,
  placeElsewhere,
  type RuleSource,
  textsAround,
  type Verdict,
} from './rule-source';

interface Candidate {
  readonly resource: Resource;
  readonly rule: string;
  readonly fields: Fields;
  readonly match: Fields;
  /** Position among all, in the order of the routes and of their rules. */
  readonly position: number;
}

/**
 * What the Gateway API's documentation says of a call: of all matches that hold the one that comes first by each
 * criterion in turn. Slow, plain, and apart from the importer.
 * https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
 * https://gateway-api.sigs.k8s.io/reference/spec/#grpcrouterule
 */
export function createGatewayMeaning(resources: readonly Resource[], { parent, service }: ParentChoice): RuleSource {
  const routes = selectRoutes(resources, parent);
  const candidates = candidatesOf(routes);
  const hints = new CallHints();
  for (const candidate of candidates) addHints(candidate, hints);
  return {
    hints,
    decide(call): Verdict {
      const holding = candidates.filter((each) => holds(each, call));
      const best = CRITERIA.reduce<readonly Candidate[]>((left, criterion) => {
        const most = Math.max(...left.map(criterion));
        return left.filter((each) => criterion(each) === most);
      }, holding)[0];
      if (routes.length === 0)
        return { rule: undefined, shares: new Map([[EVERYWHERE, 1]]), timeoutMs: undefined, attempts: undefined };
      if (best === undefined) return { rule: undefined, shares: new Map(), timeoutMs: undefined, attempts: undefined };
      return verdictOf(best, service);
    },
  };
}

/** One after the other; the greatest number wins. */
const CRITERIA: readonly ((candidate: Candidate) => number)[] = [
  ({ resource, match }) => Number(resource.kind === 'HTTPRoute' && fieldsOf(match['path'])['type'] === 'Exact'),
  ({ resource, match }) => {
    if (resource.kind === 'GRPCRoute') return String(fieldsOf(match['method'])['service'] ?? '').length;
    const path = fieldsOf(match['path']);
    return path['type'] === 'Exact' ? 0 : (textOf(path['value']) ?? '/').length;
  },
  ({ resource, match }) => {
    if (resource.kind === 'GRPCRoute') return String(fieldsOf(match['method'])['method'] ?? '').length;
    return Number(match['method'] !== undefined);
  },
  ({ match }) => firstOfEach(match).length,
  ({ match }) => listOf(match['queryParams']).length,
  ({ position }) => -position,
];

function candidatesOf(routes: readonly Resource[]): readonly Candidate[] {
  const byAge = [...routes].sort((a, b) => {
    const key = (each: Resource): string => `${each.createdAt ?? '\uFFFF'} ${each.namespace ?? ''}/${each.name}`;
    return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
  });
  let position = 0;
  return byAge.flatMap((resource) =>
    listOf(resource.spec['rules']).flatMap((each, index) => {
      const fields = fieldsOf(each);
      const rule = `${resource.path}.spec.rules[${index}]`;
      const matches = listOf(fields['matches']).map(fieldsOf);
      return (matches.length === 0 ? [{}] : matches).map((match): Candidate => {
        position += 1;
        return { resource, rule, fields, match, position };
      });
    }),
  );
}

function firstOfEach(match: Fields): readonly Fields[] {
  const headers = listOf(match['headers']).map(fieldsOf);
  const name = (header: Fields): string => String(header['name'] ?? '').toLowerCase();
  return headers.filter((header, index) => headers.findIndex((each) => name(each) === name(header)) === index);
}

function holds({ resource, match }: Candidate, call: ProxyCall): boolean {
  const headers = firstOfEach(match).every((header) => {
    const value = call.headers[String(header['name'] ?? '').toLowerCase()];
    const wanted = header['value'];
    if (value === undefined || typeof wanted !== 'string') return false;
    if (header['type'] === 'RegularExpression') return matchesWhole(wanted, value);
    return (header['type'] ?? 'Exact') === 'Exact' && value === wanted;
  });
  if (!headers) return false;
  if (resource.kind === 'GRPCRoute') return holdsMethod(fieldsOf(match['method']), call.method);
  if (listOf(match['queryParams']).length > 0 || ![undefined, null, 'POST'].includes(match['method'] as string))
    return false;
  return holdsPath(fieldsOf(match['path']), call.method);
}

function holdsMethod(wanted: Fields, given: string): boolean {
  const [, service = '', method = ''] = given.split('/');
  const type = wanted['type'] ?? 'Exact';
  const same = (text: string | undefined, value: string): boolean => {
    if (text === undefined) return true;
    return type === 'RegularExpression' ? matchesWhole(text, value) : type === 'Exact' && text === value;
  };
  return same(textOf(wanted['service']), service) && same(textOf(wanted['method']), method);
}

function holdsPath(path: Fields, given: string): boolean {
  const type = path['type'] ?? 'PathPrefix';
  const value = textOf(path['value']) ?? '/';
  if (type === 'Exact') return given === value;
  if (type === 'RegularExpression') return matchesWhole(value, given);
  if (type !== 'PathPrefix') return false;
  // Element by element; a slash at the end does not count.
  const prefix = value.replace(/\/$/, '');
  return given === prefix || given.startsWith(`${prefix}/`);
}

function verdictOf({ rule, fields, resource }: Candidate, service: ParentChoice['service']): Verdict {
  const backends = listOf(fields['backendRefs']).map(fieldsOf);
  const weightOf = ({ weight = 1 }: Fields): number => (typeof weight === 'number' && weight > 0 ? weight : 0);
  const total = backends.reduce((sum, each) => sum + weightOf(each), 0);
  const shares = new Map<string, number>();
  const isRedirect = listOf(fields['filters']).some((each) => fieldsOf(each)['type'] === 'RequestRedirect');
  for (const each of isRedirect ? [] : backends) {
    if (weightOf(each) === 0) continue;
    const namespace = textOf(each['namespace']) ?? resource.namespace;
    const name = textOf(each['name']) ?? 'nowhere';
    const isService =
      (each['kind'] ?? 'Service') === 'Service' && ['', 'core', undefined].includes(each['group'] as string);
    const isOwn =
      isService && name === service.name && (service.namespace === undefined || service.namespace === namespace);
    const elsewhere =
      name === service.name || !isService ? `${String(each['kind'])} ${String(namespace)}.${name}` : name;
    const place = isOwn ? EVERYWHERE : placeElsewhere(elsewhere, undefined);
    shares.set(place, (shares.get(place) ?? 0) + weightOf(each) / total);
  }
  const request = fieldsOf(fields['timeouts'])['request'];
  const timeoutMs = typeof request === 'string' ? parseDuration(request) : undefined;
  const { retry } = fields;
  const attempts = fieldsOf(retry)['attempts'];
  return {
    rule,
    shares,
    timeoutMs: timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined,
    attempts: retry === undefined || retry === null ? undefined : 1 + (typeof attempts === 'number' ? attempts : 1),
  };
}

function addHints({ match }: Candidate, hints: CallHints): void {
  const path = fieldsOf(match['path']);
  const value = textOf(path['value']);
  if (value !== undefined) {
    hints.path(path['type'] === 'Exact' ? 'exact' : path['type'] === 'RegularExpression' ? 'regex' : 'prefix', value);
  }
  const { service, method, type } = fieldsOf(match['method']);
  const [named, called] = [textOf(service) ?? 'any.Service', textOf(method) ?? 'Any'];
  hints.path(type === 'RegularExpression' ? 'regex' : 'exact', `/${named}/${called}`);
  hints.path('exact', `/${named}/Any`);
  for (const { name, value: text, type: how } of listOf(match['headers']).map(fieldsOf)) {
    const given = textOf(text) ?? 'any';
    hints.header(String(name ?? 'x'), ...(how === 'RegularExpression' ? sampled(given) : [given, `${given}x`]));
  }
}

function sampled(pattern: string): readonly string[] {
  return textsAround('regex', pattern);
}
