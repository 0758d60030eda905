import type { Random } from '../../../base/random';
import type { BalancingPlan } from '../../../policy/plan';
import type { Connection } from '../endpoints/endpoint';
import type { EndpointLoad } from '../endpoints/load';
import { LeastRequestPicker, PeakEwmaPicker } from './least-request';
import { type Drawing, type PickContext, type PoolPicker, pickElsewhere, wasTried } from './pool-picker';
import { RingHashPicker } from './ring-hash';
import { RoundRobinPicker } from './round-robin';
import { Draws, WeightedIndex } from './weighted-index';

/**
 * The picker of the plan's algorithm. Called by the LB policy whenever members or weights of a pool changed. `ready` is
 * never empty and never changes afterwards; weights are read from the endpoints when the picker is built.
 */
export function createPoolPicker(ready: readonly Connection[], balancing: BalancingPlan, random: Random): PoolPicker {
  const [only] = ready;
  if (ready.length === 1 && only !== undefined) return new OnlyChoice(only);
  switch (balancing.algorithm) {
    case 'peak_ewma':
      return new PeakEwmaPicker(ready, random);
    case 'least_request':
      return new LeastRequestPicker(ready, random, balancing.choiceCount);
    case 'round_robin':
      return new RoundRobinPicker(ready, random);
    case 'random':
      return new RandomPicker(ready, random);
    case 'ring_hash':
      return new RingHashPicker(ready);
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

/** `random`: each call goes to an endpoint by chance, in proportion to the weights. */
class RandomPicker implements PoolPicker, Drawing {
  private readonly ready: readonly Connection[];
  private readonly loads: readonly EndpointLoad[];
  private readonly index: WeightedIndex;
  private readonly draws: Draws;

  constructor(ready: readonly Connection[], random: Random) {
    this.ready = ready;
    this.loads = ready.map(({ endpoint }) => endpoint.load);
    this.index = new WeightedIndex(ready.map(({ endpoint }) => endpoint.weight));
    this.draws = new Draws(random);
  }

  pick(context: PickContext): Connection | undefined {
    if (context.tried === undefined) {
      const drawn = this.draw();
      if (this.loads[drawn]?.isSuspect === false) return this.ready[drawn];
    }
    return pickElsewhere(this.ready, this, context);
  }

  draw(): number {
    return this.index.at(this.draws.next());
  }
}
