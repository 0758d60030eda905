import type { SubsetLimitView } from '../client/balancer/limits/subset-limits';

/** `canary: 20 of 20 calls in flight, 3 of 10 waiting, 7 refused`. */
export function describeLimit({
  subset,
  inFlight,
  maxInFlight,
  pending,
  maxPending,
  refused,
}: SubsetLimitView): string {
  const waiting = maxPending === 0 ? '' : `, ${pending} of ${maxPending} waiting`;
  return `${subset}: ${inFlight} of ${maxInFlight} calls in flight${waiting}, ${refused} refused`;
}
