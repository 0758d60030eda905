import { showValue } from '../../base/shorten';
import { parseDuration } from '../../policy/chain/graph';
import { type Fields, fieldsOf, isSet, listOf, textOf } from '../../policy/chain/report';
import { fieldFault } from '../../policy/filter/filter-fields';
import { parseFilter } from '../../policy/filter/parse-filter';
import type { ConfigEntry } from './read';

/** Says what Consul would refuse an entry for: `path` is that of a field, without the name of the entry. */
export type Refuse = (path: string, found: string, expected: string) => void;

const PATHS: readonly string[] = ['PathExact', 'PathPrefix', 'PathRegex'];
const HEADER_KINDS: readonly string[] = ['Present', 'Exact', 'Prefix', 'Suffix', 'Contains', 'Regex'];
const QUERY_KINDS: readonly string[] = ['Present', 'Exact', 'Regex'];
const L7: readonly string[] = ['http', 'http2', 'grpc'];
const POLICIES: readonly unknown[] = ['', 'random', 'round_robin', 'least_request', 'ring_hash', 'maglev'];
const HASHED: readonly unknown[] = ['ring_hash', 'maglev'];
const FIELDS: readonly unknown[] = ['header', 'cookie', 'query_parameter'];
const PROTOCOLS: readonly string[] = ['tcp', ...L7];
/** Consul counts in hundredths of a percent. */
const TOTAL = 10_000;

/** What Consul refuses to write, as far as an entry shows it by itself. */
export function checkEntry({ kind, fields }: ConfigEntry, refuse: Refuse): void {
  if (kind === 'service-router') {
    for (const [index, route] of listOf(fields['Routes']).entries())
      checkRoute(fieldsOf(route), `Routes[${index}]`, refuse);
  } else if (kind === 'service-splitter') checkSplits(fields, refuse);
  else if (kind === 'service-resolver') checkResolver(fields, refuse);
  else if (kind === 'service-defaults') {
    const protocol = textOf(fields['Protocol']);
    if (protocol !== undefined && !PROTOCOLS.includes(protocol.toLowerCase())) {
      refuse('Protocol', showValue(protocol), `one of ${PROTOCOLS.join(', ')}`);
    }
  }
}

/** Whether a protocol may have routers and splitters. */
export function isLayer7(protocol: string): boolean {
  return L7.includes(protocol.toLowerCase());
}

function checkRoute(route: Fields, at: string, refuse: Refuse): void {
  const http = fieldsOf(fieldsOf(route['Match'])['HTTP']);
  const path = `${at}.Match.HTTP`;
  const given = PATHS.filter((name) => textOf(http[name]) !== undefined);
  if (given.length > 1) refuse(path, given.join(' and '), `one of ${PATHS.join(', ')}`);
  for (const name of ['PathExact', 'PathPrefix']) {
    const text = textOf(http[name]);
    if (text !== undefined && !text.startsWith('/'))
      refuse(`${path}.${name}`, showValue(text), 'a path that begins with /');
  }
  for (const [index, each] of listOf(http['Header']).entries()) {
    checkCondition(fieldsOf(each), HEADER_KINDS, `${path}.Header[${index}]`, refuse);
  }
  for (const [index, each] of listOf(http['QueryParam']).entries()) {
    checkCondition(fieldsOf(each), QUERY_KINDS, `${path}.QueryParam[${index}]`, refuse);
  }
  const methods = listOf(http['Methods']).map((each) => String(each).toUpperCase());
  if (new Set(methods).size < methods.length) refuse(`${path}.Methods`, methods.join(', '), 'each method once');
  const destination = fieldsOf(route['Destination']);
  const canRewrite = given.length === 1 && given[0] !== 'PathRegex';
  if (textOf(destination['PrefixRewrite']) !== undefined && !canRewrite) {
    refuse(`${at}.Destination.PrefixRewrite`, 'without a path', 'beside PathExact or PathPrefix');
  }
  for (const name of ['RequestTimeout', 'IdleTimeout']) checkDuration(destination, name, `${at}.Destination`, refuse);
}

function checkCondition(condition: Fields, kinds: readonly string[], at: string, refuse: Refuse): void {
  if (textOf(condition['Name']) === undefined) refuse(`${at}.Name`, showValue(condition['Name']), 'a name');
  const given = kinds.filter((name) => isSet(condition[name]));
  if (given.length !== 1)
    refuse(at, given.length === 0 ? 'no condition' : given.join(' and '), `one of ${kinds.join(', ')}`);
}

function checkSplits(fields: Fields, refuse: Refuse): void {
  const splits = listOf(fields['Splits']).map(fieldsOf);
  if (splits.length === 0) refuse('Splits', showValue(fields['Splits']), 'one at least');
  const places = new Set<string>();
  let total = 0;
  for (const [index, split] of splits.entries()) {
    const weight = split['Weight'] ?? 0;
    const at = `Splits[${index}]`;
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= 100))
      refuse(`${at}.Weight`, showValue(weight), '0..100');
    else if (weight > 0 && weight < 0.01) refuse(`${at}.Weight`, showValue(weight), 'at least 0.01');
    else total += Math.round(weight * 100);
    const place = JSON.stringify([
      split['Service'] ?? fields['Name'],
      split['ServiceSubset'] ?? '',
      split['Namespace'] ?? '',
    ]);
    if (places.has(place)) refuse(at, 'a service and subset that another split has', 'each once');
    places.add(place);
  }
  if (splits.length > 0 && total !== TOTAL) refuse('Splits', `weights that add up to ${total / 100}`, '100');
}

function checkResolver(fields: Fields, refuse: Refuse): void {
  const subsets = fieldsOf(fields['Subsets']);
  for (const [name, value] of Object.entries(subsets)) checkFilter(fieldsOf(value), `Subsets.${name}.Filter`, refuse);
  const usual = textOf(fields['DefaultSubset']);
  if (usual !== undefined && !Object.hasOwn(subsets, usual))
    refuse('DefaultSubset', showValue(usual), 'one of Subsets');
  const redirect = fieldsOf(fields['Redirect']);
  if (isSet(redirect)) {
    if (isSet(redirect['ServiceSubset']) && !isSet(redirect['Service'])) {
      refuse('Redirect.ServiceSubset', 'without a service', 'beside Service');
    }
    if (isSet(redirect['Peer']) && isSet(redirect['Datacenter']))
      refuse('Redirect.Peer', 'beside Datacenter', 'one of them');
  }
  for (const [key, value] of Object.entries(fieldsOf(fields['Failover']))) {
    const at = `Failover[${JSON.stringify(key)}]`;
    const rule = fieldsOf(value);
    if (key !== '*' && key !== '' && !Object.hasOwn(subsets, key)) refuse(at, showValue(key), '* or one of Subsets');
    const others = ['Service', 'ServiceSubset', 'Namespace', 'Datacenters'].filter((name) => isSet(rule[name]));
    if (isSet(rule['Targets']) && others.length > 0) refuse(`${at}.Targets`, `beside ${others.join(', ')}`, 'alone');
    else if (!isSet(rule['Targets']) && !isSet(rule['SamenessGroup']) && others.length === 0)
      refuse(at, 'nothing', 'where to go');
    if (listOf(rule['Datacenters']).some((name) => name === '')) refuse(`${at}.Datacenters`, 'an empty name', 'names');
  }
  for (const name of ['ConnectTimeout', 'RequestTimeout']) checkDuration(fields, name, '', refuse);
  checkLoadBalancer(fieldsOf(fields['LoadBalancer']), refuse);
}

function checkFilter({ Filter: filter }: Fields, at: string, refuse: Refuse): void {
  if (!isSet(filter)) return;
  const parsed = typeof filter === 'string' ? parseFilter(filter) : undefined;
  if (parsed === undefined) refuse(at, showValue(filter), 'a text');
  else if ('at' in parsed) refuse(at, `${parsed.found} at character ${parsed.at}`, parsed.expected);
  else {
    const fault = parsed.matches.map(fieldFault).find((each) => each?.isCertain === true);
    if (fault !== undefined) refuse(at, fault.found, fault.expected);
  }
}

function checkLoadBalancer(balancer: Fields, refuse: Refuse): void {
  const policy = balancer['Policy'] ?? '';
  if (!POLICIES.includes(policy))
    refuse('LoadBalancer.Policy', showValue(policy), `one of ${POLICIES.filter((each) => each !== '').join(', ')}`);
  const policies = listOf(balancer['HashPolicies']).map(fieldsOf);
  if (policies.length > 0 && !HASHED.includes(policy))
    refuse('LoadBalancer.HashPolicies', `beside ${String(policy)}`, 'beside ring_hash or maglev');
  if (isSet(balancer['RingHashConfig']) && policy !== 'ring_hash')
    refuse('LoadBalancer.RingHashConfig', `beside ${String(policy)}`, 'beside ring_hash');
  if (isSet(balancer['LeastRequestConfig']) && policy !== 'least_request') {
    refuse('LoadBalancer.LeastRequestConfig', `beside ${String(policy)}`, 'beside least_request');
  }
  for (const [index, each] of policies.entries()) {
    const at = `LoadBalancer.HashPolicies[${index}]`;
    const field = each['Field'];
    if (isSet(field) && !FIELDS.includes(field)) refuse(`${at}.Field`, showValue(field), `one of ${FIELDS.join(', ')}`);
    if (each['SourceIP'] === true && isSet(field)) refuse(at, 'SourceIP and Field', 'one of them');
    if (isSet(field) && !isSet(each['FieldValue'])) refuse(`${at}.FieldValue`, 'missing', 'a name');
    if (isSet(each['CookieConfig']) && field !== 'cookie')
      refuse(`${at}.CookieConfig`, 'without a cookie', 'beside Field: cookie');
  }
}

function checkDuration(fields: Fields, name: string, at: string, refuse: Refuse): void {
  const value = fields[name];
  if (!isSet(value) || parseDuration(value) !== undefined) return;
  refuse(at === '' ? name : `${at}.${name}`, showValue(value), 'a duration such as 1.5s');
}
