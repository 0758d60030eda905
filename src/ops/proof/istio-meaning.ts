import { parseDuration } from '../../policy/chain/graph';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import { ImportReport } from '../imports/report';
import { entriesOf, type Resource } from '../imports/resources';
import { type HttpRule, httpRules } from '../istio/delegates';
import type { Host } from '../istio/hosts';
import { type IstioRules, type IstioView, namesGateway, selectRules } from '../istio/select';
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

const KINDS = ['exact', 'prefix', 'regex'] as const;
/** Keys of `headers` that are ignored. */
const IGNORED: readonly string[] = ['uri', 'scheme', 'method', 'authority'];
const NOWHERE: Verdict = { rule: undefined, shares: new Map(), timeoutMs: undefined, attempts: undefined };

/**
 * What Istio's documentation says of a call: slow, plain, and apart from the importer.
 * https://istio.io/latest/docs/reference/config/networking/virtual-service/
 */
export function createIstioMeaning(resources: readonly Resource[], host: Host, view: IstioView): RuleSource {
  const selected = selectRules(resources, host, view, new ImportReport());
  const rules = selected.services.flatMap((resource) => httpRules(resource, selected.delegates));
  const subsets = subsetsOf(selected);
  const hints = new CallHints();
  for (const { fields } of rules) for (const entry of listOf(fields['match'])) addHints(fieldsOf(entry), hints);
  return {
    hints,
    decide(call) {
      if (selected.services.length === 0) return { ...NOWHERE, shares: new Map([[EVERYWHERE, 1]]) };
      const rule = rules.find(({ fields, namespace }) => {
        const entries = listOf(fields['match']).map(fieldsOf);
        return entries.length === 0 || entries.some((entry) => matches(entry, namespace, call, view));
      });
      return rule === undefined ? NOWHERE : verdictOf(rule, selected, subsets);
    },
  };
}

/** Subsets by name, and whether they have any label. */
function subsetsOf({ destinationRules }: IstioRules): ReadonlyMap<string, boolean> {
  const subsets = new Map<string, boolean>();
  for (const each of destinationRules.flatMap(({ spec }) => listOf(spec['subsets']).map(fieldsOf))) {
    const name = textOf(each['name']);
    if (name !== undefined && !subsets.has(name)) subsets.set(name, entriesOf(each['labels']).length > 0);
  }
  return subsets;
}

function matches(entry: Fields, namespace: string | undefined, call: ProxyCall, view: IstioView): boolean {
  const gateways = listOf(entry['gateways']).map(String);
  if (gateways.length > 0 && !namesGateway(gateways, namespace, view.gateways)) return false;
  if (entry['port'] && entry['port'] !== (view.port ?? call.port)) return false;
  const ignoreCase = entry['ignoreUriCase'] === true;
  if (!meets(entry['uri'], call.method, ignoreCase)) return false;
  if (!meets(entry['method'], 'POST') || !meets(entry['scheme'], call.scheme)) return false;
  if (!meets(entry['authority'], call.authority)) return false;
  if (entriesOf(entry['queryParams']).length > 0) return false;
  if (entriesOf(entry['sourceLabels']).some(([key, value]) => call.sourceLabels[key] !== value)) return false;
  const from = textOf(entry['sourceNamespace']);
  if (from !== undefined && from !== call.sourceNamespace) return false;
  const holds = ([name, condition]: readonly [string, unknown]): boolean => headerHolds(name, condition, call);
  const looked = (table: unknown): readonly (readonly [string, unknown])[] =>
    entriesOf(table).filter(([name]) => !IGNORED.includes(name));
  return looked(entry['headers']).every(holds) && !looked(entry['withoutHeaders']).some(holds);
}

/** Of an absent header nothing holds. */
function headerHolds(name: string, condition: unknown, { headers }: ProxyCall): boolean {
  const value = headers[name.toLowerCase()];
  if (value === undefined) return false;
  return Object.keys(fieldsOf(condition)).length === 0 || meets(condition, value);
}

function meets(condition: unknown, value: string, ignoreCase = false): boolean {
  if (condition === undefined || condition === null) return true;
  const fields = fieldsOf(condition);
  const kind = KINDS.find((name) => typeof fields[name] === 'string');
  const text = String(kind === undefined ? '' : fields[kind]);
  if (kind === 'regex') return matchesWhole(text, value);
  const [given, wanted] = ignoreCase ? [value.toLowerCase(), text.toLowerCase()] : [value, text];
  return kind === 'exact' ? given === wanted : kind === 'prefix' && given.startsWith(wanted);
}

function verdictOf(
  { path, fields, namespace }: HttpRule,
  selected: IstioRules,
  subsets: ReadonlyMap<string, boolean>,
): Verdict {
  const destinations = listOf(fields['route']).map(fieldsOf);
  const weightOf = ({ weight }: Fields): number => {
    if (destinations.length === 1) return 1;
    return typeof weight === 'number' && weight > 0 ? weight : 0;
  };
  const total = destinations.reduce((sum, each) => sum + weightOf(each), 0);
  const shares = new Map<string, number>();
  for (const each of total > 0 ? destinations : []) {
    const place = placeOf(fieldsOf(each['destination']), namespace, selected, subsets);
    if (weightOf(each) > 0) shares.set(place, (shares.get(place) ?? 0) + weightOf(each) / total);
  }
  const timeoutMs = typeof fields['timeout'] === 'string' ? parseDuration(fields['timeout']) : undefined;
  const retries = fields['retries'];
  const attempts = fieldsOf(retries)['attempts'];
  return {
    rule: path,
    shares: fields['redirect'] === undefined && fields['directResponse'] === undefined ? shares : new Map(),
    timeoutMs: timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined,
    attempts: retries === undefined || retries === null ? undefined : 1 + (typeof attempts === 'number' ? attempts : 2),
  };
}

function placeOf(
  destination: Fields,
  namespace: string | undefined,
  selected: IstioRules,
  subsets: ReadonlyMap<string, boolean>,
): string {
  const text = textOf(destination['host']) ?? '';
  const subset = textOf(destination['subset']);
  const host = selected.hostOf(text, namespace);
  if (!selected.isOwn(text, namespace)) {
    const isNamed = host !== undefined && host.domain !== undefined && host.name !== selected.host.name;
    return placeElsewhere(isNamed ? host.name : text, subset);
  }
  if (subset === undefined) return EVERYWHERE;
  const hasLabels = subsets.get(subset);
  // A subset that no rule defines has no instance.
  if (hasLabels === undefined) return placeElsewhere('nowhere', subset);
  return hasLabels ? subset : EVERYWHERE;
}

function addHints(entry: Fields, hints: CallHints): void {
  const [kind, text] = condition(entry['uri']);
  if (kind !== undefined) hints.path(kind, text);
  for (const table of ['headers', 'withoutHeaders']) {
    for (const [name, each] of entriesOf(entry[table])) {
      const [how, value] = condition(each);
      hints.header(name, ...(how === undefined ? ['any'] : textsAround(how, value)));
    }
  }
  const [how, authority] = condition(entry['authority']);
  if (how !== undefined) for (const each of textsAround(how, authority)) hints.authorities.add(each);
  if (typeof entry['port'] === 'number') hints.ports.add(entry['port']);
  for (const [name, value] of entriesOf(entry['sourceLabels'])) hints.sourceLabel(name, String(value));
  const from = textOf(entry['sourceNamespace']);
  if (from !== undefined) hints.sourceNamespaces.add(from);
}

function condition(value: unknown): readonly [(typeof KINDS)[number], string] | readonly [undefined, string] {
  const fields = fieldsOf(value);
  const kind = KINDS.find((name) => typeof fields[name] === 'string');
  return kind === undefined ? [undefined, ''] : [kind, String(fields[kind])];
}
