import { nearest } from '../base/spelling';
import type { FaultView } from '../client/balancer/faults/fault-state';
import type { SubsetLimitView } from '../client/balancer/limits/subset-limits';
import type { ZonePreferenceView } from '../client/balancer/zones/zone-preference';

/** An endpoint with the name of its port, where it has several: `10.0.0.1:50051 (grpc)`. */
export function describeEndpoint(endpoint: string, portName: string | undefined): string {
  return portName === undefined ? endpoint : `${endpoint} (${portName})`;
}

/** `100,000` */
export function describeCount(count: number): string {
  return count.toLocaleString('en');
}

/** A zone, and the region where that says more than the zone's own name: `eu-1/a`, `eu-north-1a`, `eu-1/`. */
export function describeZone(zone: string | undefined, region: string | undefined): string {
  if (region === undefined || zone?.startsWith(region) === true) return zone ?? '';
  return `${region}/${zone ?? ''}`;
}

/** `canary: 20 of 20 calls in flight, 3 of 10 waiting, 7 refused`. */
export function describeLimit(limit: SubsetLimitView): string {
  const { subset, inFlight, maxInFlight, pending, maxPending, refused } = limit;
  const waiting = maxPending === 0 ? '' : `, ${pending} of ${maxPending} waiting`;
  return `${subset}: ${inFlight} of ${maxInFlight} calls in flight${waiting}, ${refused} refused`;
}

/** `zone a keeps 60.0 % of its calls; 40.0 % cross to b`. */
export function describeZones({ own, zones, crossing }: ZonePreferenceView): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const others = zones
    .filter(({ zone, share }) => zone !== own && share > 0)
    .map(({ zone, share }) => `${percent(share)} to ${zone === '' ? 'instances without a zone' : zone}`);
  const keeps = `zone ${own} (this client's) keeps ${percent(1 - crossing)} of its calls`;
  return others.length === 0 ? keeps : `${keeps}; ${others.join(', ')}`;
}

/** `fault drill until 2026-...: in force, 31 attempts hit; of 300 calls 3 failed, 20 saved by retry`. */
export function describeFaultView(fault: FaultView): string {
  const { name, until, state, stoppedBecause, hitAttempts, calls, failed, savedByRetry } = fault;
  const { savedByFallback, savedByBreaker, delayed } = fault;
  const saved = [
    [savedByRetry, 'saved by retry'],
    [savedByFallback, 'saved by fallback'],
    [savedByBreaker, 'saved by breaker'],
    [delayed, 'late'],
  ] as const;
  const also = saved.filter(([count]) => count > 0).map(([count, how]) => `, ${count} ${how}`);
  const stands = stoppedBecause === undefined ? state : `stopped here: ${stoppedBecause}`;
  return `fault ${name} until ${until}: ${stands}; ${hitAttempts} attempts hit; of ${calls} calls ${failed} failed${also.join('')}`;
}

/** `4d 3h`, `17m 5s`: the two largest units. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const units = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  const shown = first === -1 ? units.slice(-1) : units.slice(first, first + 2);
  return shown.map(([count, unit]) => `${count}${unit}`).join(' ');
}

const BARS = '▁▂▃▄▅▆▇█';

/** One character a value, from the lowest of them to the highest; a flat line when they are all the same. */
export function sparkline(values: readonly number[]): string {
  const known = values.filter((value) => Number.isFinite(value));
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const bar = (value: number): string => {
    if (!Number.isFinite(value)) return ' ';
    const height = span === 0 ? 0 : Math.round(((value - low) / span) * (BARS.length - 1));
    return BARS.charAt(height);
  };
  return values.map(bar).join('');
}

/** `1 problem`, `3 problems`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The next step after a name that is not known. */
export function didYouMean(name: string, known: readonly string[], otherwise = ''): string {
  const meant = nearest(name, known);
  return meant === undefined ? otherwise : `did you mean ${meant}?`;
}

/** For `sort()`: by code units, as Consul sorts keys. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
