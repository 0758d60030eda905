import { nearest } from '../../base/spelling';
import type { FilterMatch, FilterOperator } from './parse-filter';

type Kind = 'text' | 'number' | 'flag' | 'list' | 'map' | 'structure';

/** Fields of a health answer that filters are written about, as Consul 1.8 knows them; later versions have more. */
const FIELDS: Readonly<Record<string, Kind>> = {
  Node: 'structure',
  'Node.ID': 'text',
  'Node.Node': 'text',
  'Node.Address': 'text',
  'Node.Datacenter': 'text',
  'Node.TaggedAddresses': 'map',
  'Node.Meta': 'map',
  Service: 'structure',
  'Service.Kind': 'text',
  'Service.ID': 'text',
  'Service.Service': 'text',
  'Service.Tags': 'list',
  'Service.Address': 'text',
  'Service.Port': 'number',
  'Service.Meta': 'map',
  'Service.TaggedAddresses': 'map',
  'Service.Weights': 'structure',
  'Service.Weights.Passing': 'number',
  'Service.Weights.Warning': 'number',
  'Service.EnableTagOverride': 'flag',
  'Service.Proxy': 'structure',
  'Service.Connect': 'structure',
  Checks: 'list',
  'Checks.Node': 'text',
  'Checks.CheckID': 'text',
  'Checks.Name': 'text',
  'Checks.Status': 'text',
  'Checks.Notes': 'text',
  'Checks.Output': 'text',
  'Checks.ServiceID': 'text',
  'Checks.ServiceName': 'text',
  'Checks.ServiceTags': 'list',
};
/** Maps of single values by names that the registration chose. */
const OPEN_MAPS: readonly string[] = ['Node.Meta', 'Node.TaggedAddresses', 'Service.Meta'];
const ROOTS: readonly string[] = ['Node', 'Service', 'Checks'];

const ALLOWED: Readonly<Record<Kind, readonly FilterOperator[]>> = {
  text: ['equal', 'in', 'matches'],
  number: ['equal'],
  flag: ['equal'],
  list: ['in', 'empty'],
  map: ['in', 'empty'],
  structure: [],
};
const WORDS: Readonly<Record<FilterOperator, string>> = {
  equal: '== or !=',
  in: 'contains or in',
  matches: 'matches',
  empty: 'is empty or is not empty',
};

/** What Consul says of a comparison that its grammar lets pass. */
export interface FieldFault {
  readonly found: string;
  readonly expected: string;
  /** Every version of Consul refuses it; otherwise Consul 1.8 does, and later ones may know better. */
  readonly isCertain: boolean;
}

/** Undefined where nothing speaks against the comparison. */
export function fieldFault({ selector, operator, value }: FilterMatch): FieldFault | undefined {
  const [root = ''] = selector;
  const name = selector.join('.');
  if (!ROOTS.includes(root)) {
    const meant = nearest(root, ROOTS);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    return { found: name, expected: `a field of Node, Service or Checks${hint}`, isCertain: true };
  }
  const kind = kindOf(selector);
  if (kind === undefined) {
    const known = Object.keys(FIELDS).filter((field) => field.startsWith(`${root}.`));
    const meant = nearest(selector.slice(0, 2).join('.'), known);
    if (isBelowOpen(selector)) return undefined;
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    return { found: name, expected: `a field that Consul 1.8 knows${hint}`, isCertain: false };
  }
  if (!ALLOWED[kind].includes(operator)) {
    const expected = ALLOWED[kind].map((each) => WORDS[each]).join(', ');
    const told = expected === '' ? 'one of its fields' : `${expected}; Consul 1.8 refuses the expression`;
    return { found: `${name} with ${WORDS[operator]}`, expected: told, isCertain: false };
  }
  if (kind === 'number' && !/^-?\d+$/.test(value ?? '')) {
    return { found: `${name} compared with ${value}`, expected: 'a whole number', isCertain: true };
  }
  return undefined;
}

function kindOf(selector: readonly string[]): Kind | undefined {
  const name = selector.join('.');
  if (Object.hasOwn(FIELDS, name)) return FIELDS[name];
  return selector.length === 3 && OPEN_MAPS.includes(selector.slice(0, 2).join('.')) ? 'text' : undefined;
}

/** Structures that differ between versions of Consul: nothing is said of what is below them. */
const OPEN_STRUCTURES: readonly string[] = ['Service.TaggedAddresses', 'Service.Proxy', 'Service.Connect'];

function isBelowOpen(selector: readonly string[]): boolean {
  return selector.length > 2 && OPEN_STRUCTURES.includes(selector.slice(0, 2).join('.'));
}
