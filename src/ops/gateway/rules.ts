import { SERVICE_NAME } from '../../base/names';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { PlaceReport } from '../imports/report';
import type { Resource } from '../imports/resources';
import type { TargetList } from '../imports/targets';
import { olderRoute } from './parents';

/** HTTPRoute and GRPCRoute. */
type RouteKind = 'HTTPRoute' | 'GRPCRoute';

export const ROUTE_KINDS: readonly string[] = ['HTTPRoute', 'GRPCRoute'];

/** One match of one rule, in the order in which the Gateway API asks for them. */
export interface RankedMatch {
  readonly kind: RouteKind;
  /** Path of the rule: `HTTPRoute/payments.spec.rules[0]`. */
  readonly rule: string;
  /** Path of the match: `HTTPRoute/payments.spec.rules[0].matches[1]`. */
  readonly path: string;
  readonly match: Fields;
  readonly fields: Fields;
  readonly resource: Resource;
}

/**
 * All matches of some routes, the one that takes precedence first; equal ones by the age of their route, then by its
 * namespace and name, then as they stand in it.
 * https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
 * https://gateway-api.sigs.k8s.io/reference/spec/#grpcrouterule
 */
export function rankMatches(resources: readonly Resource[]): readonly RankedMatch[] {
  const all = [...resources].sort(olderRoute).flatMap((resource) => {
    const kind: RouteKind = resource.kind === 'GRPCRoute' ? 'GRPCRoute' : 'HTTPRoute';
    return listOf(resource.spec['rules']).flatMap((each, index): readonly RankedMatch[] => {
      const fields = fieldsOf(each);
      const rule = `${resource.path}.spec.rules[${index}]`;
      const matches = listOf(fields['matches']).map(fieldsOf);
      // Without any, every call is taken.
      if (matches.length === 0) return [{ kind, rule, path: rule, match: {}, fields, resource }];
      return matches.map((match, at) => ({ kind, rule, path: `${rule}.matches[${at}]`, match, fields, resource }));
    });
  });
  const ranked = all.map((each) => ({
    each,
    rank: each.kind === 'GRPCRoute' ? grpcRank(each.match) : httpRank(each.match),
  }));
  // The sort is stable: what is equal stays in its order.
  return ranked.sort((a, b) => compareRanks(b.rank, a.rank)).map(({ each }) => each);
}

/** Of each kind: exact path, length of the path or service, method, headers, query. */
type Rank = readonly number[];

function compareRanks(a: Rank, b: Rank): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function httpRank(match: Fields): Rank {
  const path = fieldsOf(match['path']);
  const type = textOf(path['type']) ?? 'PathPrefix';
  const value = textOf(path['value']) ?? '/';
  return [
    Number(type === 'Exact'),
    // Where an expression stands is the implementation's choice: among prefixes, by its length.
    type === 'Exact' ? 0 : value.length,
    Number(match['method'] !== undefined),
    headersOf(match).length,
    listOf(match['queryParams']).length,
  ];
}

function grpcRank(match: Fields): Rank {
  const method = fieldsOf(match['method']);
  return [0, String(method['service'] ?? '').length, String(method['method'] ?? '').length, headersOf(match).length];
}

/** Of several conditions on one name the first alone is looked at. */
export function headersOf(match: Fields): readonly { readonly fields: Fields; readonly index: number }[] {
  const seen = new Set<string>();
  return listOf(match['headers']).flatMap((each, index) => {
    const fields = fieldsOf(each);
    const name = String(fields['name'] ?? '').toLowerCase();
    if (seen.has(name)) return [];
    seen.add(name);
    return [{ fields, index }];
  });
}

/** A service that a rule leads to, and its part. */
export interface BackendRef {
  readonly service: string;
  readonly namespace: string | undefined;
  readonly weight: number;
  readonly path: string;
  readonly fields: Fields;
}

/** The backends of a rule. What is no service is told, and only its part in `targets`. */
export function backendsOf(
  { fields, rule, resource }: RankedMatch,
  targets: TargetList,
  report: PlaceReport,
): readonly BackendRef[] {
  return listOf(fields['backendRefs']).flatMap((each, index): readonly BackendRef[] => {
    const path = `${rule}.backendRefs[${index}]`;
    const backend = report.read(each, path, ['name', 'namespace', 'kind', 'group', 'port', 'weight', 'filters']);
    const service = textOf(backend['name']);
    const weight = report.weight(backend['weight'] ?? 1, `${path}.weight`);
    if (weight === undefined) return [];
    const isService =
      (backend['kind'] ?? 'Service') === 'Service' && ['', 'core', undefined].includes(backend['group'] as string);
    if (service === undefined || !isService || !SERVICE_NAME.test(service)) {
      const found = String(backend['kind'] ?? service?.slice(0, 60) ?? 'no name');
      report.cannot(path, `${found} (expected: a Service); left out`);
      targets.leaveOut(weight);
      return [];
    }
    const namespace = textOf(backend['namespace']) ?? resource.namespace;
    return [{ service, namespace, weight, path, fields: backend }];
  });
}
