import { defined } from '../../base/defined';
import { showValue } from '../../base/shorten';
import { type Fields, listOf, textOf } from '../../policy/chain/report';
import type { LabelMatcherDocument, MatchDocument } from '../../policy/document';
import { methodPattern } from '../../policy/method-pattern';
import { headerFault, regexMatcher } from '../imports/matchers';
import type { PlaceReport } from '../imports/report';
import { headersOf, type RankedMatch } from './rules';

const LEFT_OUT = 'this match is left out';
const NOT_MAPPED = `not mapped; ${LEFT_OUT}`;
const PATH_FIELDS: readonly string[] = ['type', 'value'];
const METHOD: readonly string[] = ['type', 'service', 'method'];
const HEADER: readonly string[] = ['type', 'name', 'value'];
const SERVICE_NAME = /^[^/\s]+$/;
const PATH = /^\/([^/\s]+)(?:\/([^/\s]+))?\/?$/;

/**
 * Imports one match. Undefined takes every call. `false`: a condition cannot be expressed, so the match is left out and
 * told, because sending calls the wrong way would be worse.
 */
export function importMatch(
  { kind, match, path }: RankedMatch,
  report: PlaceReport,
): MatchDocument | undefined | false {
  const known = kind === 'GRPCRoute' ? ['method', 'headers'] : ['path', 'method', 'headers', 'queryParams'];
  report.read(match, path, known, {}, NOT_MAPPED);
  let isWhole = !hasOthers(match, known);
  const methods = kind === 'GRPCRoute' ? importMethod(match, path, report) : importPath(match, path, report);
  if (kind === 'HTTPRoute') {
    if (listOf(match['queryParams']).length > 0) {
      report.cannot(`${path}.queryParams`, `a gRPC call has no query parameters; ${LEFT_OUT}`);
      isWhole = false;
    }
    const method = match['method'];
    if (method !== undefined && method !== null && method !== 'POST') {
      report.cannot(`${path}.method`, `gRPC calls are all POST; ${LEFT_OUT}`);
      isWhole = false;
    }
  }
  const labels: Record<string, LabelMatcherDocument> = {};
  for (const { fields, index } of headersOf(match)) {
    const matcher = importHeader(fields, `${path}.headers[${index}]`, report);
    if (matcher === undefined) isWhole = false;
    else labels[String(fields['name']).toLowerCase()] = matcher;
  }
  if (!isWhole || methods === false) return false;
  if (methods === undefined && Object.keys(labels).length === 0) return undefined;
  return defined({ methods, labels: Object.keys(labels).length === 0 ? undefined : labels });
}

/** A field that is not known may be a condition: without it the match would take the calls of others. */
function hasOthers(fields: Fields, known: readonly string[]): boolean {
  return Object.keys(fields).some((name) => !known.includes(name) && (fields[name] ?? null) !== null);
}

function importHeader(fields: Fields, at: string, report: PlaceReport): LabelMatcherDocument | undefined {
  report.read(fields, at, HEADER, {}, NOT_MAPPED);
  const name = textOf(fields['name']) ?? '';
  const fault = headerFault(name);
  if (fault !== undefined) {
    report.cannot(`${at}.name`, `${showValue(name)}, not routed by (expected: ${fault}); ${LEFT_OUT}`);
    return undefined;
  }
  if (hasOthers(fields, HEADER)) return undefined;
  const { value, type = 'Exact' } = fields;
  if (typeof value !== 'string') {
    const shown = typeof value === 'object' ? showValue(value) : report.written(`${at}.value`, value);
    report.cannot(`${at}.value`, `${shown} (expected: a text); ${LEFT_OUT}`);
    return undefined;
  }
  if (type === 'Exact') return value;
  const regex = type === 'RegularExpression' ? regexMatcher(value) : `${showValue(type)} is no type`;
  if (typeof regex !== 'string') {
    report.note(`${at}.value`, 'taken for the whole value, as Envoy does; the Gateway API leaves that open');
    return regex;
  }
  report.cannot(`${at}.${type === 'RegularExpression' ? 'value' : 'type'}`, `${regex}; ${LEFT_OUT}`);
  return undefined;
}

/** Elements of a path are whole: `/shop.v1.Payments` is the service, and no other one. */
function importPath(match: Fields, path: string, report: PlaceReport): readonly string[] | undefined | false {
  const at = `${path}.path`;
  const fields = report.read(match['path'], at, PATH_FIELDS, {}, NOT_MAPPED);
  if (hasOthers(fields, PATH_FIELDS)) return false;
  const type = fields['type'] ?? 'PathPrefix';
  const value = textOf(fields['value']) ?? '/';
  if (type === 'PathPrefix') {
    if (value === '/') return undefined;
    const [, service, method] = PATH.exec(value) ?? [];
    if (service !== undefined) return [method === undefined ? `/${service}/` : `/${service}/${method}`];
    report.cannot(`${at}.value`, `${showValue(value)}: no gRPC call has such a path; ${LEFT_OUT}`);
    return false;
  }
  if (type === 'Exact' || type === 'RegularExpression') {
    return methodsOf(type === 'Exact' ? 'exact' : 'regex', value, `${at}.value`, report);
  }
  report.cannot(`${at}.type`, `${showValue(type)} is no type; ${LEFT_OUT}`);
  return false;
}

function importMethod(match: Fields, path: string, report: PlaceReport): readonly string[] | undefined | false {
  const at = `${path}.method`;
  const fields = report.read(match['method'], at, METHOD, {}, NOT_MAPPED);
  if (hasOthers(fields, METHOD)) return false;
  const type = fields['type'] ?? 'Exact';
  const [service, method] = [textOf(fields['service']), textOf(fields['method'])];
  if (service === undefined && method === undefined) return undefined;
  if (type === 'RegularExpression') {
    return methodsOf('regex', `/${service ?? '[^/]+'}/${method ?? '[^/]+'}`, at, report);
  }
  if (type !== 'Exact') {
    report.cannot(`${at}.type`, `${showValue(type)} is no type; ${LEFT_OUT}`);
    return false;
  }
  if (service === undefined) {
    report.cannot(at, `${method} of any service; name the services, /package.Service/${method} each; ${LEFT_OUT}`);
    return false;
  }
  if (!SERVICE_NAME.test(service) || (method !== undefined && !SERVICE_NAME.test(method))) {
    report.cannot(at, `${showValue(`${service}/${method ?? ''}`)}: no gRPC call has such a method; ${LEFT_OUT}`);
    return false;
  }
  return [`/${service}/${method ?? ''}`];
}

function methodsOf(
  kind: 'exact' | 'regex',
  text: string,
  at: string,
  report: PlaceReport,
): readonly string[] | undefined | false {
  const pattern = methodPattern(kind, text);
  if (pattern.kind === 'any') return undefined;
  if (pattern.kind === 'methods') {
    if (pattern.instead !== undefined) report.cannot(at, pattern.instead);
    if (kind === 'regex') report.note(at, 'taken for the whole path, as Envoy does; the Gateway API leaves that open');
    return pattern.methods;
  }
  const why = pattern.kind === 'never' ? 'no gRPC call has such a path' : pattern.why;
  report.cannot(at, `${showValue(text)}: ${why}; ${LEFT_OUT}`);
  return false;
}
