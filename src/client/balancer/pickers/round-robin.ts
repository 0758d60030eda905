import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import type { EndpointLoad } from '../endpoints/load';
import { type Drawing, type PickContext, type PoolPicker, pickElsewhere } from './pool-picker';

/**
 * `round_robin`, smooth and weighted: each endpoint comes up at regular distances, in proportion to its weight. Where
 * in the order it begins is random, so that many clients do not march in step, and a pool that is rebuilt often keeps
 * its shares. Calls that last go round by themselves: else every fourth call that is a long poll would meet each second
 * of ten endpoints.
 */
export class RoundRobinPicker implements PoolPicker {
  private readonly ready: readonly Connection[];
  private readonly loads: readonly EndpointLoad[];
  private readonly random: Random;
  private readonly order: Drawing;
  /** Undefined until such a call comes. */
  private lasting: Drawing | undefined;

  constructor(ready: readonly Connection[], random: Random) {
    this.ready = ready;
    this.loads = ready.map(({ endpoint }) => endpoint.load);
    this.random = random;
    this.order = this.begin();
  }

  pick(context: PickContext): Connection | undefined {
    let { order } = this;
    if (context.lasts === true) {
      this.lasting ??= this.begin();
      order = this.lasting;
    }
    if (context.tried === undefined) {
      const next = order.draw();
      if (this.loads[next]?.isSuspect === false) return this.ready[next];
    }
    return pickElsewhere(this.ready, order, context);
  }

  private begin(): Drawing {
    const weights = this.ready.map(({ endpoint }) => endpoint.weight);
    const isUniform = weights.every((weight) => weight === weights[0]);
    return isUniform ? new Circle(weights.length, this.random) : new Deadlines(weights, this.random);
  }
}

class Circle implements Drawing {
  private readonly size: number;
  private position: number;

  constructor(size: number, random: Random) {
    this.size = size;
    this.position = Math.floor(random() * size);
  }

  draw(): number {
    const index = this.position;
    this.position = index + 1 === this.size ? 0 : index + 1;
    return index;
  }
}

/** Deadlines are rebased beyond this many periods of the heaviest, long before they lose precision. */
const REBASE_AFTER = 1e9;

/**
 * Earliest deadline first: an endpoint is due every 1/weight, the next due is at the root of a binary heap. Costs O(log
 * n) a pick; one pass of O(n) in a thousand million.
 */
class Deadlines implements Drawing {
  private readonly heap: Uint32Array;
  private readonly periods: Float64Array;
  private readonly deadlines: Float64Array;

  constructor(weights: readonly number[], random: Random) {
    const largest = weights.reduce((a, b) => Math.max(a, b), 0);
    this.periods = Float64Array.from(weights, (weight) => largest / weight);
    this.deadlines = this.periods.map((period) => period * random());
    const { deadlines } = this;
    // A sorted array is a heap.
    this.heap = Uint32Array.from(weights.keys()).sort((a, b) => (deadlines[a] as number) - (deadlines[b] as number));
  }

  draw(): number {
    const due = this.heap[0] as number;
    const deadline = this.deadlines[due] as number;
    this.deadlines[due] = deadline + (this.periods[due] as number);
    this.sinkRoot(due);
    if (deadline > REBASE_AFTER) this.rebase(deadline);
    return due;
  }

  private sinkRoot(moving: number): void {
    const { heap, deadlines } = this;
    const size = heap.length;
    const deadline = deadlines[moving] as number;
    let hole = 0;
    for (let child = 1; child < size; child = 2 * hole + 1) {
      if (child + 1 < size && this.deadlineAt(child + 1) < this.deadlineAt(child)) child += 1;
      if (this.deadlineAt(child) >= deadline) break;
      heap[hole] = heap[child] as number;
      hole = child;
    }
    heap[hole] = moving;
  }

  private deadlineAt(position: number): number {
    return this.deadlines[this.heap[position] as number] as number;
  }

  private rebase(by: number): void {
    for (let index = 0; index < this.deadlines.length; index += 1) {
      this.deadlines[index] = (this.deadlines[index] as number) - by;
    }
  }
}
