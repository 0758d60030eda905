import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import type { EndpointLoad } from '../endpoints/load';
import { TwoChoicesPicker } from './least-request';
import type { PoolPicker } from './pool-picker';

/** Up to this factor, two endpoints count as alike: nobody is called less because of noise. */
const TOLERATED_FACTOR = 3;

/**
 * `peak_ewma` (default): of two endpoints drawn by weight, the one with the lower product of attempts in flight and recent
 * slowness: how long it took in multiples of what its calls' methods usually take. Shuns a slow endpoint within one response, also when there is little traffic, and tries it again as the memory
 * of it fades.
 */
export function createPeakEwmaPicker(ready: readonly Connection[], random: Random): PoolPicker {
  return new PeakEwmaPicker(ready, random);
}

class PeakEwmaPicker extends TwoChoicesPicker {
  protected override slowness(load: EndpointLoad, other: EndpointLoad): number {
    return slownessBeside(load, other);
  }
}

/**
 * An endpoint without samples is neither slow nor a measure for others: it competes on its attempts in flight alone, so
 * that many new endpoints do not attract all calls. Nor is one a measure that failed last: what fails is no peer's example.
 */
export function slownessBeside(load: EndpointLoad, other: EndpointLoad): number {
  const tolerated = TOLERATED_FACTOR * other.measure;
  const { blame } = load;
  return blame <= tolerated || tolerated === 0 ? 1 : blame / tolerated;
}
