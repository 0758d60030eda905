import type { Decision } from '../../../policy/plan';
import type { Pool } from '../tiers/pool';

/** Says in one line why a call is refused: of each subset of its chain, who is full and who cannot serve. */
export function describeFull(service: string, { destination: { chain } }: Decision, tiers: readonly Pool[]): string {
  const parts = chain.map((subset, position) => {
    const prefix = position === 0 ? `${service}/${subset}` : `fallback ${subset}`;
    const limit = tiers.find((pool) => pool.subset === subset && pool.limit?.isReached === true)?.limit;
    if (limit === undefined) return `${prefix}: cannot serve`;
    const { inFlight, maxInFlight, pending, maxPending } = limit;
    const waiting = maxPending === 0 ? '' : `, ${pending} of ${maxPending} waiting (limits.maxPending)`;
    return `${prefix}: ${inFlight} of ${maxInFlight} calls in flight (limits.maxInFlight)${waiting}`;
  });
  return [...parts, ...(chain.length === 1 ? ['fallback none'] : [])].join('; ');
}
