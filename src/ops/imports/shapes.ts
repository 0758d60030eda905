import { isRecord } from '../../base/is-record';
import { type Fields, fieldsOf } from '../../policy/chain/report';
import type { PlaceReport } from './report';

/**
 * What a field holds: an object, by the fields in it that have a shape; a list, or a table of names, of one shape.
 * Texts and numbers are looked at where they are read.
 */
type Shape = ObjectShape | { readonly list: Shape | undefined } | { readonly table: Shape };

interface ObjectShape {
  readonly object: Readonly<Record<string, Shape>>;
}

const object = (fields: Readonly<Record<string, Shape>> = {}): ObjectShape => ({ object: fields });
const listOf = (list: Shape): Shape => ({ list });
const tableOf = (table: Shape): Shape => ({ table });
const OBJECT = object();
const TEXTS: Shape = { list: undefined };

const CHANGES = object({ add: OBJECT, set: OBJECT, remove: TEXTS });
const HEADERS = object({ request: CHANGES, response: CHANGES });
const HTTP_MATCH = object({
  ...{ uri: OBJECT, scheme: OBJECT, method: OBJECT, authority: OBJECT, sourceLabels: OBJECT, gateways: TEXTS },
  ...{ headers: tableOf(OBJECT), withoutHeaders: tableOf(OBJECT), queryParams: tableOf(OBJECT) },
});
const MIRROR = object({ destination: OBJECT, percentage: OBJECT });
const VIRTUAL_SERVICE = object({
  ...{ hosts: TEXTS, gateways: TEXTS, exportTo: TEXTS, tcp: TEXTS, tls: TEXTS },
  http: listOf(
    object({
      match: listOf(HTTP_MATCH),
      route: listOf(object({ destination: object({ port: OBJECT }), headers: HEADERS })),
      ...{ redirect: OBJECT, directResponse: OBJECT, rewrite: OBJECT, delegate: OBJECT, corsPolicy: OBJECT },
      ...{ retries: OBJECT, mirror: OBJECT, mirrorPercentage: OBJECT, mirrors: listOf(MIRROR), headers: HEADERS },
      fault: object({ delay: object({ percentage: OBJECT }), abort: object({ percentage: OBJECT }) }),
    }),
  ),
});
const TRAFFIC = object({
  loadBalancer: object({ consistentHash: OBJECT, localityLbSetting: OBJECT, warmup: OBJECT }),
  connectionPool: object({ tcp: OBJECT, http: OBJECT }),
  ...{ outlierDetection: OBJECT, tls: OBJECT, portLevelSettings: listOf(OBJECT) },
});
const DESTINATION_RULE = object({
  ...{ exportTo: TEXTS, workloadSelector: OBJECT, trafficPolicy: TRAFFIC },
  subsets: listOf(object({ labels: OBJECT, trafficPolicy: TRAFFIC })),
});

const NAMED_CHANGES = object({ add: listOf(OBJECT), set: listOf(OBJECT), remove: TEXTS });
const FILTERS = listOf(
  object({
    ...{ requestHeaderModifier: NAMED_CHANGES, responseHeaderModifier: NAMED_CHANGES },
    requestMirror: object({ backendRef: OBJECT, fraction: OBJECT }),
  }),
);
const gatewayRoute = (match: Readonly<Record<string, Shape>>): ObjectShape =>
  object({
    ...{ parentRefs: listOf(OBJECT), hostnames: TEXTS },
    rules: listOf(
      object({
        matches: listOf(object({ ...match, headers: listOf(OBJECT) })),
        ...{ filters: FILTERS, backendRefs: listOf(object({ filters: FILTERS })) },
        ...{ timeouts: OBJECT, retry: object({ codes: TEXTS }), sessionPersistence: OBJECT },
      }),
    ),
  });

const ANALYSES = object({ templates: listOf(OBJECT), args: listOf(OBJECT) });
const TEMPLATE = object({ metrics: listOf(object({ provider: OBJECT })), args: listOf(OBJECT) });

/** Whose items are left out one by one. */
const RULE_LISTS: readonly string[] = ['http', 'rules', 'subsets'];

/** Of rules, by kind. */
const RULES: Readonly<Record<string, ObjectShape>> = {
  VirtualService: VIRTUAL_SERVICE,
  DestinationRule: DESTINATION_RULE,
  HTTPRoute: gatewayRoute({ path: OBJECT, queryParams: listOf(OBJECT) }),
  GRPCRoute: gatewayRoute({ method: OBJECT }),
};

/** Of rollouts, by kind. */
const ROLLOUTS: Readonly<Record<string, Shape>> = {
  Canary: object({
    ...{ targetRef: OBJECT, service: OBJECT },
    analysis: object({
      ...{ stepWeights: TEXTS, match: listOf(HTTP_MATCH), alerts: listOf(OBJECT) },
      metrics: listOf(object({ thresholdRange: OBJECT, templateRef: OBJECT })),
      webhooks: listOf(object({ metadata: OBJECT })),
    }),
  }),
  MetricTemplate: object({ provider: OBJECT }),
  Rollout: object({
    strategy: object({
      canary: object({ steps: listOf(object({ analysis: ANALYSES })), analysis: ANALYSES }),
      blueGreen: object({ prePromotionAnalysis: ANALYSES, postPromotionAnalysis: ANALYSES }),
    }),
  }),
  AnalysisTemplate: TEMPLATE,
  ClusterAnalysisTemplate: TEMPLATE,
};

/**
 * The `spec` of a resource, without the rules and fields that have not the shape of its kind. Each is told: Kubernetes
 * refuses such a resource, and read as it is, a list in the place of an object would be a condition that every call
 * meets. A rule that is left out keeps its place, and leads nowhere. Of a rollout everything stays.
 */
export function inShape(kind: string, spec: unknown, path: string, report: PlaceReport): Fields {
  const fields = fieldsOf(spec);
  if (Object.hasOwn(ROLLOUTS, kind)) fits(ROLLOUTS[kind] as Shape, spec, path, report);
  const shapes = Object.hasOwn(RULES, kind) ? RULES[kind] : undefined;
  if (shapes === undefined) return fields;
  const kept = Object.entries(fields).flatMap(([name, value]): [string, unknown][] => {
    const shape = Object.hasOwn(shapes.object, name) ? shapes.object[name] : undefined;
    const at = `${path}.${name}`;
    if (RULE_LISTS.includes(name) && shape !== undefined && 'list' in shape && Array.isArray(value)) {
      const { list = OBJECT } = shape;
      return [[name, value.map((rule: unknown, index) => (fits(list, rule, `${at}[${index}]`, report) ? rule : {}))]];
    }
    return shape === undefined || fits(shape, value, at, report) ? [[name, value]] : [];
  });
  return Object.fromEntries(kept);
}

function fits(shape: Shape, value: unknown, path: string, report: PlaceReport): boolean {
  if (value === undefined || value === null) return true;
  if ('list' in shape ? !Array.isArray(value) : !isRecord(value)) {
    const expected = 'list' in shape ? 'a list' : 'an object';
    const found = Array.isArray(value) ? 'a list' : isRecord(value) ? 'an object' : report.written(path, value);
    report.cannot(path, `${found} (expected: ${expected}), which Kubernetes refuses; left out`);
    return false;
  }
  // All of them, so that each is told.
  return partsOf(shape, value, path)
    .map(([part, inner, at]) => fits(part, inner, at, report))
    .every(Boolean);
}

function partsOf(shape: Shape, value: unknown, path: string): readonly (readonly [Shape, unknown, string])[] {
  if ('list' in shape) {
    const { list } = shape;
    if (list === undefined) return [];
    return (value as readonly unknown[]).map((item, index) => [list, item, `${path}[${index}]`]);
  }
  const fields = Object.entries(value as Readonly<Record<string, unknown>>);
  return fields.flatMap(([name, field]) => {
    const part = 'table' in shape ? shape.table : Object.hasOwn(shape.object, name) ? shape.object[name] : undefined;
    return part === undefined ? [] : [[part, field, `${path}.${name}`] as const];
  });
}
