import { defined } from '../../base/defined';
import { textOf } from '../../policy/chain/report';
import type { BalancingDocument, BreakerDocument, PolicyDocument } from '../../policy/document';
import { headerFault } from '../imports/matchers';
import type { PlaceReport } from '../imports/report';
import { entriesOf } from '../imports/resources';

const ALGORITHMS: Readonly<Record<string, BalancingDocument['algorithm']>> = {
  ROUND_ROBIN: 'round_robin',
  LEAST_CONN: 'least_request',
  LEAST_REQUEST: 'least_request',
  RANDOM: 'random',
};
/** Istio's own choice. */
const UNSAID: readonly unknown[] = [undefined, 'UNSPECIFIED'];

/** Imports a `trafficPolicy` of a DestinationRule, or of a subset, which has an algorithm and a breaker of its own. */
export function importTraffic(
  value: unknown,
  path: string,
  report: PlaceReport,
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
  const balancing = importBalancing(fields['loadBalancer'], `${path}.loadBalancer`, report);
  if (isSubset && balancing?.slowStartMs !== undefined) {
    report.cannot(`${path}.loadBalancer.warmup`, 'endpoints of all subsets start alike');
  }
  return defined({ balancing, breaker });
}

function importBalancing(value: unknown, path: string, report: PlaceReport): BalancingDocument | undefined {
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

function importHash(value: unknown, path: string, report: PlaceReport): string | undefined {
  const fields = report.read(value, path, ['httpHeaderName'], {
    httpCookie: 'a gRPC call has no cookie; hash by a header',
    useSourceIp: 'all calls of a client come from one address; hash by a header',
    httpQueryParameterName: 'a gRPC call has no query parameters; hash by a header',
    minimumRingSize: 'the ring is sized by the instances and their weights',
    ringHash: 'the ring is sized by the instances and their weights',
    maglev: 'served by ring_hash',
  });
  const name = textOf(fields['httpHeaderName']);
  const fault = name === undefined ? undefined : headerFault(name);
  if (fault === undefined) return name?.toLowerCase();
  report.cannot(`${path}.httpHeaderName`, `${JSON.stringify(name)} (expected: ${fault}); balanced as by default`);
  return undefined;
}

const CONSECUTIVE: readonly string[] = ['consecutive5xxErrors', 'consecutiveGatewayErrors', 'consecutiveErrors'];

function importOutlierDetection(value: unknown, path: string, report: PlaceReport): BreakerDocument | undefined {
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
function whole(value: unknown, path: string, report: PlaceReport): readonly number[] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return [Math.min(value, MOST)];
  report.cannot(path, `${JSON.stringify(value)} (expected: a whole number >= 0)`);
  return [];
}
