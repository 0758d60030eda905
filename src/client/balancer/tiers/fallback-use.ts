import type { FallbackCaps } from '../../breaker/fallback-caps';
import type { RoutedCall } from '../attempts/routed-call';
import type { Pool } from './pool';

/** Where a call stands with a cap on its subset's fallback. Settled once, so that its retries go by it too. */
export type FallbackUse = 'unasked' | 'counted' | 'granted' | 'denied';

/** Called in each pick of a service that has caps: a call counts once, however often its pick is repeated. */
export function countForCap(call: RoutedCall, caps: FallbackCaps): void {
  if (call.fallbackUse !== 'unasked') return;
  call.fallbackUse = 'counted';
  if (call.decision !== undefined) caps.of(call.decision.destination.subset)?.called();
}

/** May the call go to this pool? Always to its own subset; to another as far as the cap goes. */
export function mayUse(call: RoutedCall, pool: Pool, caps: FallbackCaps): boolean {
  if (caps.isEmpty || isOwn(call, pool)) return true;
  if (call.fallbackUse !== 'granted' && call.fallbackUse !== 'denied') {
    const cap = caps.of(call.decision?.destination.subset ?? '');
    call.fallbackUse = cap === undefined || cap.take() ? 'granted' : 'denied';
  }
  return call.fallbackUse === 'granted';
}

/** What is left of a call's tiers when its subset must do with itself. */
export function ownTiers(call: RoutedCall, tiers: readonly Pool[]): readonly Pool[] {
  return call.fallbackUse === 'denied' ? tiers.filter((pool) => isOwn(call, pool)) : tiers;
}

function isOwn(call: RoutedCall, pool: Pool): boolean {
  return pool.subset === call.decision?.destination.subset;
}
