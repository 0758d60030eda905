import type { Random } from '../../../base/random';
import type { BalancingPlan } from '../../../policy/plan';
import type { Connection } from '../endpoints/endpoint';
import { createLeastRequestPicker } from './least-request';
import { createPeakEwmaPicker } from './peak-ewma';
import { type CreatePoolPicker, type PickContext, type PoolPicker, wasTried } from './pool-picker';
import { createRandomPicker } from './random';
import { createRingHashPicker } from './ring-hash';
import { createRoundRobinPicker } from './round-robin';

/** The picker of the plan's algorithm. Called by the LB policy whenever members or weights of a pool changed. */
export const createPoolPicker: CreatePoolPicker = (ready, balancing, random) => {
  const [only] = ready;
  if (ready.length === 1 && only !== undefined) return new OnlyChoice(only);
  return pickerOf(ready, balancing, random);
};

function pickerOf(ready: readonly Connection[], balancing: BalancingPlan, random: Random): PoolPicker {
  switch (balancing.algorithm) {
    case 'peak_ewma':
      return createPeakEwmaPicker(ready, random);
    case 'least_request':
      return createLeastRequestPicker(ready, random, balancing.choiceCount);
    case 'round_robin':
      return createRoundRobinPicker(ready, random);
    case 'random':
      return createRandomPicker(ready, random);
    case 'ring_hash':
      return createRingHashPicker(ready);
  }
}

class OnlyChoice implements PoolPicker {
  private readonly only: Connection;

  constructor(only: Connection) {
    this.only = only;
  }

  pick(context: PickContext): Connection | undefined {
    return wasTried(this.only, context.tried) ? undefined : this.only;
  }
}
