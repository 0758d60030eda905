import type { Connection } from './endpoint';
import { type Drawing, type PickContext, type PoolPicker, pickElsewhere } from './pool-picker';
import { DRAW_RANGE, WeightedIndex } from './weighted-index';

/** `random`: each call goes to an endpoint by chance, in proportion to the weights. */
export function createRandomPicker(ready: readonly Connection[]): PoolPicker {
  return new RandomPicker(ready);
}

class RandomPicker implements PoolPicker, Drawing {
  private readonly ready: readonly Connection[];
  private readonly index: WeightedIndex;

  constructor(ready: readonly Connection[]) {
    this.ready = ready;
    this.index = new WeightedIndex(ready.map(({ endpoint }) => endpoint.weight));
  }

  pick(context: PickContext): Connection | undefined {
    if (context.tried === undefined) {
      const drawn = this.ready[this.draw(context)];
      if (drawn !== undefined && !drawn.endpoint.load.isSuspect) return drawn;
    }
    return pickElsewhere(this.ready, this, context);
  }

  draw(context: PickContext): number {
    return this.index.at((context.random() * DRAW_RANGE) >>> 0);
  }
}
