import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { PlaceReport } from '../imports/report';
import { entriesOf, type Resource } from '../imports/resources';

/** One entry of a VirtualService's `http`, with what a delegate makes of it. */
export interface HttpRule {
  /** How messages name it: `VirtualService/payments.spec.http[0]`. */
  readonly path: string;
  readonly fields: Fields;
  /** Namespace of the resource that it stands in, which completes short hosts. */
  readonly namespace: string | undefined;
  readonly report: PlaceReport;
}

/** What a delegate takes from its root where it says nothing itself. */
const INHERITED: readonly string[] = [
  'rewrite',
  'directResponse',
  'timeout',
  'retries',
  'fault',
  'mirror',
  'mirrorPercent',
  'mirrorPercentage',
  'mirrors',
  'corsPolicy',
  'headers',
];
const STRINGS: readonly string[] = ['uri', 'scheme', 'method', 'authority'];
const TABLES: readonly string[] = ['headers', 'withoutHeaders', 'queryParams', 'sourceLabels'];

/**
 * The rules of a VirtualService, each `delegate` replaced by the rules of the VirtualService that it names, joined as
 * Istio joins them. https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate
 */
export function httpRules(resource: Resource, delegates: readonly Resource[]): readonly HttpRule[] {
  const { spec, path, namespace, report } = resource;
  return listOf(spec['http']).flatMap((each, index): readonly HttpRule[] => {
    const fields = fieldsOf(each);
    const at = `${path}.spec.http[${index}]`;
    const delegate = fields['delegate'];
    if (delegate === undefined || delegate === null) return [{ path: at, fields, namespace, report }];
    const { name, namespace: within = namespace } = fieldsOf(delegate);
    const found = delegates.find((other) => other.name === name && (other.namespace ?? namespace) === within);
    const shown = `${textOf(within) === undefined ? '' : `${String(within)}/`}${String(name)}`;
    if (found === undefined) {
      report.cannot(
        `${at}.delegate`,
        `${shown} is in none of the files; left out, and its calls go on to the routes that follow`,
      );
      return [];
    }
    if (found.spec['gateways'] !== undefined)
      found.report.note(`${found.path}.spec.gateways`, 'those of the rules that delegate hold');
    const rules = listOf(found.spec['http']).map(fieldsOf);
    return rules.flatMap((rule, position): readonly HttpRule[] => {
      const inner = `${at}.delegate(${shown}).http[${position}]`;
      if (rule['delegate'] !== undefined) {
        report.cannot(`${inner}.delegate`, 'a delegate does not delegate; left out');
        return [];
      }
      const match = joinMatches(listOf(fields['match']), listOf(rule['match']));
      if (match === undefined) {
        report.note(inner, 'its conditions and those that delegate to it contradict each other; left out, as in Istio');
        return [];
      }
      return [{ path: inner, fields: joinRules(fields, rule, match), namespace: found.namespace ?? namespace, report }];
    });
  });
}

function joinRules(root: Fields, rule: Fields, match: readonly unknown[]): Fields {
  const names = [root['name'], rule['name']].flatMap((name) => textOf(name) ?? []);
  const inherited = INHERITED.filter((name) => rule[name] === undefined && root[name] !== undefined);
  return {
    ...rule,
    ...Object.fromEntries(inherited.map((name) => [name, root[name]])),
    ...(names.length === 0 ? {} : { name: names.join('-') }),
    ...(match.length === 0 ? {} : { match }),
  };
}

/** Every entry of the delegate must lie within one of the root; undefined where one does not. */
function joinMatches(root: readonly unknown[], leaf: readonly unknown[]): readonly unknown[] | undefined {
  if (root.length === 0) return leaf;
  if (leaf.length === 0) return root;
  const joined: Fields[] = [];
  for (const inner of leaf.map(fieldsOf)) {
    const fitting = root.map(fieldsOf).filter((outer) => !contradict(outer, inner));
    if (fitting.length === 0) return undefined;
    joined.push(...fitting.map((outer) => joinMatch(outer, inner)));
  }
  return joined;
}

function joinMatch(outer: Fields, inner: Fields): Fields {
  const tables = TABLES.flatMap((name): readonly (readonly [string, unknown])[] => {
    const both = { ...fieldsOf(outer[name]), ...fieldsOf(inner[name]) };
    return Object.keys(both).length === 0 ? [] : [[name, both]];
  });
  return { ...outer, ...inner, ...Object.fromEntries(tables) };
}

function contradict(outer: Fields, inner: Fields): boolean {
  if (STRINGS.some((name) => stringsContradict(outer[name], inner[name]))) return true;
  for (const table of ['headers', 'withoutHeaders', 'queryParams']) {
    const own = fieldsOf(outer[table]);
    if (entriesOf(inner[table]).some(([name, condition]) => stringsContradict(own[name], condition))) return true;
  }
  if ((outer['ignoreUriCase'] === true) !== (inner['ignoreUriCase'] === true)) return true;
  for (const name of ['port', 'sourceNamespace']) {
    const [one, other] = [outer[name], inner[name]];
    if (one !== undefined && other !== undefined && one !== other) return true;
  }
  const labels = fieldsOf(outer['sourceLabels']);
  return entriesOf(inner['sourceLabels']).some(([name, value]) => labels[name] !== undefined && labels[name] !== value);
}

/** Whether a condition of a delegate lies outside of its root's. Two expressions cannot be held against each other. */
function stringsContradict(outer: unknown, inner: unknown): boolean {
  if (outer === undefined || inner === undefined) return false;
  const [root, leaf] = [fieldsOf(outer), fieldsOf(inner)];
  if (textOf(root['regex']) !== undefined)
    return ['regex', 'prefix', 'exact'].some((name) => textOf(leaf[name]) !== undefined);
  if (textOf(leaf['regex']) !== undefined) return ['prefix', 'exact'].some((name) => textOf(root[name]) !== undefined);
  const [exact, prefix] = [textOf(root['exact']), textOf(root['prefix'])];
  if (exact !== undefined) return leaf['exact'] !== exact;
  if (prefix === undefined) return true;
  const text = textOf(leaf['prefix']) ?? textOf(leaf['exact']);
  return text === undefined || !text.startsWith(prefix);
}
