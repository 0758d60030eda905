import { formatCount } from './wording';

/** Which side has too few calls for any verdict; undefined: neither. */
export function describeLack(canaryCalls: number, stableCalls: number, minimum: number): string | undefined {
  if (canaryCalls < minimum)
    return `too few calls: canary ${formatCount(canaryCalls)} of at least ${formatCount(minimum)}`;
  if (stableCalls < minimum)
    return `too few calls: stable ${formatCount(stableCalls)} of at least ${formatCount(minimum)}`;
  return undefined;
}
