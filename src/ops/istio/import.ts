import { defined } from '../../base/defined';
import { listOf, textOf } from '../../policy/chain/report';
import type {
  BalancingDocument,
  BreakerDocument,
  PolicyDocument,
  RouteDocument,
  SubsetDocument,
} from '../../policy/document';
import { labelKeyFault } from '../../policy/label-key';
import { plainName } from '../../policy/places/destination';
import { ALL_INSTANCES, type PolicyProblem } from '../../policy/plan';
import { entriesOf, hostsOf, IstioReport, type IstioResource } from './resources';
import { importRoutes } from './routes';

export interface ImportIstioOptions {
  /** The service: a host of the resources, without namespace and domain. */
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
  const base = last?.match === undefined ? plainName(last?.to ?? last?.split?.[0]?.to) : undefined;
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
      ...defined({ balancing, breaker }),
    },
    unmapped: report.unmapped,
  };
}

/** Whether the route only repeats the default. */
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
      report.read(spec, `${path}.spec`, RULE, { exportTo: 'not needed: a policy is read by name' });
      const traffic = importTraffic(spec['trafficPolicy'], `${path}.spec.trafficPolicy`, report);
      this.balancing ??= traffic.balancing;
      this.breaker ??= traffic.breaker;
      for (const [index, each] of listOf(spec['subsets']).entries()) {
        const at = `${path}.spec.subsets[${index}]`;
        const fields = report.read(each, at, SUBSET);
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
        this.subsets.set(name, { ...members, ...defined({ breaker }) });
      }
    }
  }

  /** The name of a destination's subset in the document. Undefined, and reported, when no DestinationRule has it. */
  nameOf(subset: string | undefined, path: string): string | undefined {
    if (subset !== undefined) {
      if (this.subsets.has(subset)) return subset;
      this.#report.cannot(path, `${subset} is in no DestinationRule of the file; left out`);
      return undefined;
    }
    if (this.subsets.size === 0) return ALL_INSTANCES;
    // Created when the first route needs it: a subset without conditions has every instance.
    const known = [...this.subsets].find(([, { tags, meta, breaker }]) => (tags ?? meta ?? breaker) === undefined);
    const name = known?.[0] ?? (this.subsets.has('all') ? 'all-instances' : 'all');
    if (known === undefined) this.subsets.set(name, {});
    return name;
  }
}

const ALGORITHMS: Readonly<Record<string, BalancingDocument['algorithm']>> = {
  ROUND_ROBIN: 'round_robin',
  LEAST_CONN: 'least_request',
  LEAST_REQUEST: 'least_request',
  RANDOM: 'random',
};
/** Istio's own choice. */
const UNSAID: readonly unknown[] = [undefined, 'UNSPECIFIED'];

/** Imports a `trafficPolicy` of a DestinationRule, or of a subset, which can only have its own breaker. */
function importTraffic(
  value: unknown,
  path: string,
  report: IstioReport,
  isSubset = false,
): Pick<PolicyDocument, 'balancing' | 'breaker'> {
  const fields = report.read(value, path, ['loadBalancer', 'outlierDetection'], {
    connectionPool:
      'connections are not limited; of requests write limits: { maxInFlight, maxPending } on a subset, for each client rather than each proxy',
    tls: 'given to the channel by the application, as credentials',
    portLevelSettings: 'instances have one port',
    tunnel: 'there is no proxy here',
    proxyProtocol: 'there is no proxy here',
  });
  const breaker = importOutlierDetection(fields['outlierDetection'], `${path}.outlierDetection`, report);
  if (isSubset && fields['loadBalancer'] !== undefined) {
    report.cannot(`${path}.loadBalancer`, 'a document balances all subsets alike');
  }
  const balancing = isSubset ? undefined : importBalancing(fields['loadBalancer'], `${path}.loadBalancer`, report);
  return defined({ balancing, breaker });
}

function importBalancing(value: unknown, path: string, report: IstioReport): BalancingDocument | undefined {
  const fields = report.read(value, path, ['simple', 'consistentHash', 'warmupDurationSecs', 'warmup'], {
    localityLbSetting:
      'regions are no datacenters; write locality: { failover: [dc2], zones: prefer }, or leave it to the Graylane client',
  });
  const simple = fields['simple'];
  const algorithm = typeof simple === 'string' && Object.hasOwn(ALGORITHMS, simple) ? ALGORITHMS[simple] : undefined;
  if (algorithm === undefined && !UNSAID.includes(simple)) {
    report.cannot(`${path}.simple`, `${JSON.stringify(simple)} is not offered here; balanced as by default`);
  }
  const hashBy = importHash(fields['consistentHash'], `${path}.consistentHash`, report);
  const warmup = report.read(fields['warmup'], `${path}.warmup`, ['duration']);
  const slowStartMs =
    report.duration(fields['warmupDurationSecs'], `${path}.warmupDurationSecs`) ??
    report.duration(warmup['duration'], `${path}.warmup.duration`);
  const wanted = hashBy === undefined ? algorithm : 'ring_hash';
  const balancing: BalancingDocument = defined({ algorithm: wanted, hashBy, slowStartMs });
  return Object.keys(balancing).length === 0 ? undefined : balancing;
}

function importHash(value: unknown, path: string, report: IstioReport): string | undefined {
  const fields = report.read(value, path, ['httpHeaderName'], {
    httpCookie: 'a gRPC call has no cookie; hash by a header',
    useSourceIp: 'all calls of a client come from one address; hash by a header',
    httpQueryParameterName: 'a gRPC call has no query parameters; hash by a header',
    minimumRingSize: 'the ring is sized by the instances and their weights',
    ringHash: 'the ring is sized by the instances and their weights',
    maglev: 'served by ring_hash',
  });
  const name = textOf(fields['httpHeaderName']);
  const fault = name === undefined ? undefined : labelKeyFault(name);
  if (fault === undefined) return name?.toLowerCase();
  report.cannot(`${path}.httpHeaderName`, `${JSON.stringify(name)} (expected: ${fault}); balanced as by default`);
  return undefined;
}

const CONSECUTIVE: readonly string[] = ['consecutive5xxErrors', 'consecutiveGatewayErrors', 'consecutiveErrors'];

function importOutlierDetection(value: unknown, path: string, report: IstioReport): BreakerDocument | undefined {
  const fields = report.read(value, path, [...CONSECUTIVE, 'interval', 'baseEjectionTime', 'maxEjectionPercent'], {
    minHealthPercent: 'a breaker never holds out all; see maxEjectionPercentage and panic',
    splitExternalLocalOriginErrors: 'errors of the connection and of the server count alike',
    consecutiveLocalOriginFailures: 'errors of the connection and of the server count alike',
  });
  const counts = CONSECUTIVE.flatMap((name) => whole(fields[name], `${path}.${name}`, report));
  // The first one that triggers ejects; 0 is off.
  const fewest = Math.min(...counts.filter((count) => count > 0));
  const resetTimeoutMs = report.duration(fields['baseEjectionTime'], `${path}.baseEjectionTime`);
  const intervalMs = report.duration(fields['interval'], `${path}.interval`);
  const [ejected] = whole(fields['maxEjectionPercent'], `${path}.maxEjectionPercent`, report);
  const breaker: BreakerDocument = defined({
    consecutiveFailures: counts.length === 0 ? undefined : Number.isFinite(fewest) ? fewest : 0,
    rollingCountTimeoutMs: intervalMs && Math.min(3_600_000, Math.max(100, intervalMs)),
    resetTimeoutMs,
    maxEjectionPercentage: ejected && Math.min(100, ejected),
  });
  return entriesOf(breaker).length === 0 ? undefined : breaker;
}

/** The most that a document counts to. */
const MOST = 1_000_000;

/** None, or one. */
function whole(value: unknown, path: string, report: IstioReport): readonly number[] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return [Math.min(value, MOST)];
  report.cannot(path, `${JSON.stringify(value)} (expected: a whole number >= 0)`);
  return [];
}
