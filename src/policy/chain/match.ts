import { isRecord } from '../../base/is-record';
import { labelKeyFault } from '../label-key';
import { MAX_REGEX_VALUE_CHARACTERS } from '../limits';
import { compileMatcher, describeMatcher } from '../matchers/matcher';
import { regexFault, regexTest } from '../matchers/regex';
import { MethodSet } from '../method-set';
import type { HeaderChanges, LabelCondition, MatchPlan, PathCondition } from '../plan';
import { type ChainReport, type Fields, fieldsOf, isSet, listOf, textOf } from './report';

const MATCH_FIELDS: readonly string[] = ['HTTP'];
const HTTP_FIELDS: readonly string[] = [
  'PathExact',
  'PathPrefix',
  'PathRegex',
  'CaseInsensitive',
  'Header',
  'QueryParam',
  'Methods',
];
const HEADER_FIELDS: readonly string[] = [
  'Name',
  'Present',
  'Exact',
  'Prefix',
  'Suffix',
  'Contains',
  'Regex',
  'Invert',
  'IgnoreCase',
];
const NEVER_MATCHES = 'the route never matches';
/** Of every gRPC call. */
const HTTP_METHOD = 'POST';

/**
 * The match of a route as a plan has it; undefined for one that every call meets. A condition that cannot be evaluated
 * makes the route match nothing, and is reported: sending calls the wrong way would be worse.
 */
export function compileChainMatch(definition: Fields, path: string, report: ChainReport): MatchPlan | undefined {
  const match = fieldsOf(definition['Match']);
  const http = fieldsOf(match['HTTP']);
  const at = `${path}.Match.HTTP`;
  let impossible: string | undefined;
  const never = (field: string, why: string): void => {
    impossible ??= field;
    report.cannot(`${at}.${field}`, `${why}; ${NEVER_MATCHES}`);
  };
  if (report.unknown(`${path}.Match`, match, MATCH_FIELDS, NEVER_MATCHES)) impossible = 'Match';
  if (report.unknown(at, http, HTTP_FIELDS, NEVER_MATCHES)) impossible = 'HTTP';
  if (isSet(http['QueryParam'])) never('QueryParam', 'a gRPC call has no query parameters');
  const methods = listOf(http['Methods']);
  if (methods.length > 0 && !methods.some((each) => String(each).toUpperCase() === HTTP_METHOD)) {
    never('Methods', 'gRPC calls are all POST');
  }
  const place = compilePath(http, never, (field, instead) => report.cannot(`${at}.${field}`, instead));
  const labels = listOf(http['Header']).flatMap((each, index) =>
    compileHeader(fieldsOf(each), (field, why) => never(`Header[${index}]${field}`, why)),
  );
  if (impossible !== undefined) return matchNothing(impossible);
  if (place === undefined && labels.length === 0) return undefined;
  return { methods: undefined, ...place, labels, any: [], sample: undefined };
}

const NEVER: PathCondition['test'] = () => false;

/** True for a match that {@link compileChainMatch} gave up: one that could not be evaluated. */
export function matchesNothing(match: MatchPlan | undefined): boolean {
  return match?.path?.test === NEVER;
}

function matchNothing(field: string): MatchPlan {
  const path: PathCondition = { test: NEVER, describe: `never, for want of ${field}` };
  return { path, methods: undefined, labels: [], any: [], sample: undefined };
}

type PathPart = Partial<Pick<MatchPlan, 'path' | 'methods'>>;
type Tell = (field: string, what: string) => void;

/** Consul allows one of the three. Undefined: any path. */
function compilePath(http: Fields, never: Tell, cannot: Tell): PathPart | undefined {
  const ignoreCase = http['CaseInsensitive'] === true;
  const [exact, prefix, regex] = [http['PathExact'], http['PathPrefix'], http['PathRegex']].map(textOf);
  if (exact !== undefined) {
    const wanted = exact.toLowerCase();
    if (!ignoreCase) return { methods: new MethodSet([exact], []) };
    return { path: { test: (path) => path.toLowerCase() === wanted, describe: `${exact} (ignoring case)` } };
  }
  if (prefix !== undefined) {
    const wanted = prefix.toLowerCase();
    if (prefix === '/') return undefined;
    if (!ignoreCase) return { methods: new MethodSet([], [prefix]) };
    return { path: { test: (path) => path.toLowerCase().startsWith(wanted), describe: `${prefix} (ignoring case)` } };
  }
  if (regex === undefined) return undefined;
  if (ignoreCase) cannot('CaseInsensitive', 'has no bearing on PathRegex, as in Envoy; write (?i) into the expression');
  const fault = regexFault(regex);
  if (fault !== undefined) {
    never('PathRegex', `cannot be evaluated (expected: ${fault})`);
    return undefined;
  }
  return { path: { test: regexTest(regex, false), describe: `regex ${regex}` } };
}

function compileHeader(header: Fields, never: Tell): readonly LabelCondition[] {
  const name = textOf(header['Name'])?.toLowerCase() ?? '';
  const fault = labelKeyFault(name);
  if (fault !== undefined) {
    never('.Name', `${JSON.stringify(name.slice(0, 60))} is not routed by (expected: ${fault})`);
    return [];
  }
  for (const field of Object.keys(header)) {
    if (!HEADER_FIELDS.includes(field) && isSet(header[field])) never(`.${field}`, 'not known to this version');
  }
  const isInverted = header['Invert'] === true;
  const test = compileValue(header, isInverted, never);
  if (test === undefined) return [];
  const describe = isInverted ? `not (${test.describe})` : test.describe;
  return [{ key: name, test: test.test, describe }];
}

interface ValueTest {
  readonly test: (value: string | undefined) => boolean;
  readonly describe: string;
}

/**
 * Envoy's rules: an absent header meets no condition, inverted or not, except `Present`.
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-headermatcher
 */
function compileValue(header: Fields, isInverted: boolean, never: Tell): ValueTest | undefined {
  const name = ['Exact', 'Regex', 'Prefix', 'Suffix', 'Contains'].find((each) => textOf(header[each]) !== undefined);
  if (name === undefined) {
    if (header['Present'] === true) {
      return { test: (value) => (value !== undefined) !== isInverted, describe: 'present' };
    }
    never('', 'says nothing to compare with');
    return undefined;
  }
  const text = textOf(header[name]) ?? '';
  const fault = name === 'Regex' ? regexFault(text) : undefined;
  if (fault !== undefined) {
    never('.Regex', `cannot be evaluated (expected: ${fault})`);
    return undefined;
  }
  const matcher = { [name.toLowerCase()]: text };
  const test = compileMatcher({ ...matcher, ignoreCase: header['IgnoreCase'] === true });
  // A value that is too long is not looked at, so that nothing can be said of it, inverted or not.
  const most = name === 'Regex' ? MAX_REGEX_VALUE_CHARACTERS : Number.POSITIVE_INFINITY;
  return {
    test: (value) => value !== undefined && value.length <= most && test(value) !== isInverted,
    describe: describeMatcher(matcher),
  };
}

/** True for a route that Consul appends to every router: all paths, no further condition. */
export function isCatchAll(definition: Fields): boolean {
  const http = fieldsOf(definition['Match'])['HTTP'];
  if (!isRecord(http)) return !isSet(definition['Match']);
  const { PathPrefix: prefix, CaseInsensitive: _, ...rest } = http;
  return (prefix === undefined || prefix === '' || prefix === '/') && !isSet(rest);
}

const FIELDS: readonly string[] = ['Add', 'Set', 'Remove'];
const VALUE = /^[ -~]*$/;

/** Request headers that a route or a split changes; undefined when nothing is left to change. */
export function compileHeaders(value: unknown, path: string, report: ChainReport): HeaderChanges | undefined {
  const fields = fieldsOf(value);
  report.unknown(path, fields, FIELDS);
  const pairs = (name: 'Add' | 'Set'): readonly (readonly [string, string])[] =>
    Object.entries(fieldsOf(fields[name])).flatMap(([header, text]) => {
      const at = `${path}.${name}[${JSON.stringify(header.slice(0, 60))}]`;
      const key = keyOf(header, at, report);
      const value = key === undefined ? undefined : headerValue(text, at, report);
      return key === undefined || value === undefined ? [] : [[key, value] as const];
    });
  const remove = listOf(fields['Remove']).flatMap((header, index) => {
    const key = keyOf(String(header), `${path}.Remove[${index}]`, report);
    return key === undefined ? [] : [key];
  });
  const changes = { remove, add: pairs('Add'), set: pairs('Set') };
  const count = changes.remove.length + changes.add.length + changes.set.length;
  return count === 0 ? undefined : changes;
}

function keyOf(header: string, at: string, report: ChainReport): string | undefined {
  const key = header.toLowerCase();
  // Credentials may be set, though never routed by.
  const isCredential = key === 'authorization' || key === 'cookie';
  const fault = labelKeyFault(key);
  if (fault === undefined || isCredential) return key;
  report.cannot(at, `left as it is (expected: ${fault})`);
  return undefined;
}

/** Envoy's `%VARIABLES%` are its own; `%%` is a percent sign. */
function headerValue(text: unknown, at: string, report: ChainReport): string | undefined {
  const value = String(text);
  const plain = value.replaceAll('%%', '');
  if (plain.includes('%')) {
    report.cannot(at, 'left as it is; variables of Envoy have no value here');
    return undefined;
  }
  if (VALUE.test(value)) return value.replaceAll('%%', '%');
  report.cannot(at, 'left as it is (expected: printable ASCII)');
  return undefined;
}
