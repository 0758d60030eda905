import type { BalancingDocument, BreakerDocument } from '../../policy/document';
import { labelKeyFault } from '../../policy/label-key';
import { entriesOf, fieldsOf, type IstioReport, textOf } from './report';

const ALGORITHMS: Readonly<Record<string, BalancingDocument['algorithm']>> = {
  ROUND_ROBIN: 'round_robin',
  LEAST_CONN: 'least_request',
  LEAST_REQUEST: 'least_request',
  RANDOM: 'random',
};
/** Istio's own choice. */
const UNSAID: readonly unknown[] = [undefined, 'UNSPECIFIED'];

interface TrafficPolicy {
  readonly balancing?: BalancingDocument;
  readonly breaker?: BreakerDocument;
}

/** A `trafficPolicy`: of a whole DestinationRule, or of a subset, which can have a breaker of its own and nothing else. */
export function importTraffic(value: unknown, path: string, report: IstioReport, isSubset = false): TrafficPolicy {
  const fields = fieldsOf(value);
  report.others(path, fields, ['loadBalancer', 'outlierDetection'], {
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
  return { ...(balancing === undefined ? {} : { balancing }), ...(breaker === undefined ? {} : { breaker }) };
}

function importBalancing(value: unknown, path: string, report: IstioReport): BalancingDocument | undefined {
  const fields = fieldsOf(value);
  report.others(path, fields, ['simple', 'consistentHash', 'warmupDurationSecs', 'warmup'], {
    localityLbSetting:
      'regions are no datacenters; write locality: { failover: [dc2], zones: prefer }, or leave it to the Graylane client',
  });
  const simple = fields['simple'];
  const algorithm = typeof simple === 'string' && Object.hasOwn(ALGORITHMS, simple) ? ALGORITHMS[simple] : undefined;
  if (algorithm === undefined && !UNSAID.includes(simple)) {
    report.cannot(`${path}.simple`, `${JSON.stringify(simple)} is not offered here; balanced as by default`);
  }
  const hashBy = importHash(fields['consistentHash'], `${path}.consistentHash`, report);
  const warmup = fieldsOf(fields['warmup']);
  report.others(`${path}.warmup`, warmup, ['duration']);
  const slowStartMs =
    report.duration(fields['warmupDurationSecs'], `${path}.warmupDurationSecs`) ??
    report.duration(warmup['duration'], `${path}.warmup.duration`);
  const balancing: BalancingDocument = {
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(hashBy === undefined ? {} : { algorithm: 'ring_hash', hashBy }),
    ...(slowStartMs === undefined ? {} : { slowStartMs }),
  };
  return Object.keys(balancing).length === 0 ? undefined : balancing;
}

function importHash(value: unknown, path: string, report: IstioReport): string | undefined {
  const fields = fieldsOf(value);
  report.others(path, fields, ['httpHeaderName'], {
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
  const fields = fieldsOf(value);
  report.others(path, fields, [...CONSECUTIVE, 'interval', 'baseEjectionTime', 'maxEjectionPercent'], {
    minHealthPercent: 'a breaker never holds out all; see maxEjectionPercentage and panic',
    splitExternalLocalOriginErrors: 'errors of the connection and of the server count alike',
    consecutiveLocalOriginFailures: 'errors of the connection and of the server count alike',
  });
  const counts = CONSECUTIVE.flatMap((name) => whole(fields[name], `${path}.${name}`, report));
  // Of several, whichever comes first ejects; 0 is off.
  const consecutiveFailures = Math.min(...counts.filter((count) => count > 0));
  const resetTimeoutMs = report.duration(fields['baseEjectionTime'], `${path}.baseEjectionTime`);
  const rollingCountTimeoutMs = report.duration(fields['interval'], `${path}.interval`);
  const [maxEjectionPercentage] = whole(fields['maxEjectionPercent'], `${path}.maxEjectionPercent`, report);
  const breaker: BreakerDocument = {
    ...(counts.length === 0
      ? {}
      : { consecutiveFailures: Number.isFinite(consecutiveFailures) ? consecutiveFailures : 0 }),
    ...(rollingCountTimeoutMs === undefined
      ? {}
      : { rollingCountTimeoutMs: clamp(rollingCountTimeoutMs, 100, 3_600_000) }),
    ...(resetTimeoutMs === undefined ? {} : { resetTimeoutMs }),
    ...(maxEjectionPercentage === undefined ? {} : { maxEjectionPercentage: clamp(maxEjectionPercentage, 0, 100) }),
  };
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

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
