import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import type { EndpointLoad } from '../endpoints/load';
import { type Drawing, type PickContext, type PoolPicker, pickElsewhere } from './pool-picker';
import { Draws, WeightedIndex } from './weighted-index';

/** `random`: each call goes to an endpoint by chance, in proportion to the weights. */
export function createRandomPicker(ready: readonly Connection[], random: Random): PoolPicker {
  return new RandomPicker(ready, random);
}

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
