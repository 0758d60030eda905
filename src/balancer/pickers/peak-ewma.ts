import type { Random } from '../../internal/random';
import type { Connection } from '../endpoints/endpoint';
import type { EndpointLoad } from '../endpoints/load';
import { TwoChoicesPicker } from './least-request';
import type { PoolPicker } from './pool-picker';

/** Up to this factor, two latencies count as the same: nobody is called less because of noise. */
const TOLERATED_FACTOR = 3;
/** Below this, differences are those of our own event loop. */
const TOLERATED_US = 1000;

/**
 * `peak_ewma` (default): of two endpoints drawn by weight, the one with the lower product of attempts in flight and recent
 * latency. Shuns a slow endpoint within one response, also when there is little traffic, and tries it again as the memory
 * of it fades.
 */
export function createPeakEwmaPicker(ready: readonly Connection[], random: Random): PoolPicker {
  return new PeakEwmaPicker(ready, random);
}

class PeakEwmaPicker extends TwoChoicesPicker {
  protected override slowness(load: EndpointLoad, other: EndpointLoad): number {
    return latencySlowness(load, other);
  }
}

/**
 * An endpoint without samples is neither slow nor a measure for others: it competes on its attempts in flight alone, so
 * that many new endpoints do not attract all calls.
 */
export function latencySlowness(load: EndpointLoad, other: EndpointLoad): number {
  const toleratedUs = TOLERATED_FACTOR * other.ewmaUs;
  const fadedUs = load.fadedUs;
  if (fadedUs <= toleratedUs || fadedUs <= TOLERATED_US || toleratedUs === 0) return 1;
  return fadedUs / Math.max(toleratedUs, TOLERATED_US);
}
