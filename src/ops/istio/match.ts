import type { LabelMatcherDocument, MatchDocument } from '../../policy/document';
import { labelKeyFault } from '../../policy/label-key';
import { regexFault } from '../../policy/matchers/regex';
import { methodPattern } from '../../policy/method-pattern';
import { entriesOf, type Fields, fieldsOf, type IstioReport, listOf, textOf } from './report';

const KINDS = ['exact', 'prefix', 'regex'] as const;
/** Say nothing about which calls are meant. */
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
 * One entry of a route's `match`. Undefined: every call. `false`: a condition cannot be said, so the entry is left out, which
 * is reported; to send calls the wrong way would be worse.
 */
export function importMatch(fields: Fields, path: string, report: IstioReport): MatchDocument | undefined | false {
  report.others(path, fields, KNOWN, NO_SUCH_THING);
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
      const merged =
        matcher === undefined ? undefined : merge(labels.get(key), isWithout ? inverted(matcher) : matcher);
      if (matcher !== undefined && merged === undefined)
        report.cannot(at, 'two conditions on one header; this match is left out');
      if (merged === undefined) isWhole = false;
      else labels.set(key, merged);
    }
  }
  if (!isWhole || methods === false) return false;
  if (methods === undefined && labels.size === 0) return undefined;
  return {
    ...(methods === undefined ? {} : { methods }),
    ...(labels.size === 0 ? {} : { labels: Object.fromEntries(labels) }),
  };
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

/** An empty condition is met by whoever has the header. */
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

/** A header that is absent meets it: in Istio `withoutHeaders` is the opposite, whatever the reason. */
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
