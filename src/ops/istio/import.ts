import type {
  BalancingDocument,
  BreakerDocument,
  PolicyDocument,
  RouteDocument,
  SubsetDocument,
} from '../../policy/document';
import { ALL_INSTANCES, type PolicyProblem } from '../../policy/plan';
import { entriesOf, fieldsOf, IstioReport, listOf, textOf } from './report';
import { hostsOf, type IstioResource } from './resources';
import { importRoutes } from './routes';
import { importTraffic } from './traffic';

export interface ImportIstioOptions {
  /** Whose rules: a host of the resources, without namespace and domain. */
  readonly service: string;
  /** What a subset's labels are in Consul: meta of the same key and value, or tags that are their values. */
  readonly labelsAs: 'meta' | 'tags';
}

export interface ImportedIstio {
  readonly document: PolicyDocument;
  /** Every field that is not in the document, by its path. */
  readonly unmapped: readonly PolicyProblem[];
}

const RULE: readonly string[] = ['host', 'subsets', 'trafficPolicy'];
const SUBSET: readonly string[] = ['name', 'labels', 'trafficPolicy'];
/** As a document wants it. */
const SUBSET_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** VirtualServices and DestinationRules of one service as a policy document. Pure. */
export function importIstio(resources: readonly IstioResource[], options: ImportIstioOptions): ImportedIstio {
  const report = new IstioReport();
  const { service } = options;
  const own = resources.filter((resource) => hostsOf(resource).includes(service));
  const rules = new Rules(own, options, report);
  const routes = own
    .filter(({ kind }) => kind === 'VirtualService')
    .flatMap((resource) => importRoutes(resource, service, (subset, path) => rules.nameOf(subset, path), report));
  const { subsets, balancing, breaker } = rules;
  const last = routes.at(-1);
  const base = last?.match === undefined ? (last?.to ?? last?.split?.[0]?.to) : undefined;
  const [first] = subsets.keys();
  if (subsets.size > 0 && base === undefined) {
    report.cannot(
      'default',
      `${first}, for calls that no route matches; Istio answers them with 404, or spreads them where it has no routes`,
    );
  }
  const kept = last !== undefined && isPlain(last) ? routes.slice(0, -1) : routes;
  return {
    document: {
      schema: 1,
      service,
      ...(subsets.size === 0 ? {} : { subsets: Object.fromEntries(subsets), default: base ?? first ?? ALL_INSTANCES }),
      ...(kept.length === 0 ? {} : { routes: kept }),
      ...(balancing === undefined ? {} : { balancing }),
      ...(breaker === undefined ? {} : { breaker }),
    },
    unmapped: report.unmapped,
  };
}

/** What `default` says as well. */
function isPlain({ name: _, to, ...rest }: RouteDocument): boolean {
  return to !== undefined && Object.keys(rest).length === 0;
}

/** The DestinationRules of a service: subsets by name, in the order of the file, and how they are balanced. */
class Rules {
  readonly subsets: Map<string, SubsetDocument> = new Map();
  readonly balancing: BalancingDocument | undefined;
  readonly breaker: BreakerDocument | undefined;
  readonly #report: IstioReport;

  constructor(resources: readonly IstioResource[], { labelsAs }: ImportIstioOptions, report: IstioReport) {
    this.#report = report;
    for (const { path, spec } of resources.filter(({ kind }) => kind === 'DestinationRule')) {
      report.others(`${path}.spec`, spec, RULE, { exportTo: 'not needed: a policy is read by name' });
      const traffic = importTraffic(spec['trafficPolicy'], `${path}.spec.trafficPolicy`, report);
      this.balancing ??= traffic.balancing;
      this.breaker ??= traffic.breaker;
      for (const [index, each] of listOf(spec['subsets']).entries()) {
        const fields = fieldsOf(each);
        const at = `${path}.spec.subsets[${index}]`;
        report.others(at, fields, SUBSET);
        const name = textOf(fields['name']) ?? '';
        if (!SUBSET_NAME.test(name) || this.subsets.has(name)) {
          report.cannot(`${at}.name`, `${JSON.stringify(name.slice(0, 80))} (expected: a name of its own); left out`);
          continue;
        }
        const { breaker } = importTraffic(fields['trafficPolicy'], `${at}.trafficPolicy`, report, true);
        const labels = entriesOf(fields['labels']).map(([key, value]) => [key, String(value)] as const);
        const tags = [...new Set(labels.map(([, value]) => value).filter((value) => value !== ''))];
        if (labelsAs === 'tags' && labels.some(([, value]) => value === '')) {
          report.cannot(`${at}.labels`, 'an empty value is no tag; left out');
        }
        const members =
          labels.length === 0 ? {} : labelsAs === 'tags' ? { tags } : { meta: Object.fromEntries(labels) };
        this.subsets.set(name, { ...members, ...(breaker === undefined ? {} : { breaker }) });
      }
    }
  }

  /** The name of a destination's subset in the document; undefined for one that no DestinationRule has, which is reported. */
  nameOf(subset: string | undefined, path: string): string | undefined {
    if (subset !== undefined) {
      if (this.subsets.has(subset)) return subset;
      this.#report.cannot(path, `${subset} is in no DestinationRule of the file; left out`);
      return undefined;
    }
    if (this.subsets.size === 0) return ALL_INSTANCES;
    // Made when the first route asks for it: a subset without conditions has everybody in it.
    const name = [...this.subsets].find(([, document]) => isEveryone(document))?.[0];
    if (name !== undefined) return name;
    const all = this.subsets.has('all') ? 'all-instances' : 'all';
    this.subsets.set(all, {});
    return all;
  }
}

function isEveryone({ tags, meta, breaker }: SubsetDocument): boolean {
  return tags === undefined && meta === undefined && breaker === undefined;
}
