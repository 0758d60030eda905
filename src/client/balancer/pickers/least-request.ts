import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import { LATE_FACTOR } from '../endpoints/latency-outlier';
import type { EndpointLoad } from '../endpoints/load';
import { type Drawing, type PickContext, type PoolPicker, pickElsewhere } from './pool-picker';
import { DRAW_RANGE, Draws, WeightedIndex } from './weighted-index';

/** Endpoints that the pick for a call that lasts looks at. */
const LASTING_CHOICES = 16;

/**
 * `least_request`: of two endpoints drawn by weight, the one with fewer calls in flight for its weight; of more when
 * `choices` says so. For a call that lasts, of several endpoints the one with the fewest such calls. Why it draws and
 * compares as it does, with figures: docs/decisions/0004-weighted-p2c.md.
 */
export class LeastRequestPicker implements PoolPicker, Drawing {
  private readonly ready: readonly Connection[];
  private readonly index: WeightedIndex;
  private readonly loads: readonly EndpointLoad[];
  private readonly weights: Float64Array;
  private readonly draws: Draws;
  /** Choices beyond two. */
  private readonly further: number;

  constructor(ready: readonly Connection[], random: Random, choices = 2) {
    this.ready = ready;
    this.weights = Float64Array.from(ready, ({ endpoint }) => endpoint.weight);
    this.index = new WeightedIndex([...this.weights]);
    this.loads = ready.map(({ endpoint }) => endpoint.load);
    this.draws = new Draws(random);
    this.further = Math.min(choices, ready.length) - 2;
  }

  pick(context: PickContext): Connection | undefined {
    if (context.tried === undefined) {
      if (context.lasts === true) return this.pickForLasting();
      const drawn = this.draw();
      if (!(this.loads[drawn] as EndpointLoad).isSuspect) return this.ready[drawn];
    }
    return pickElsewhere(this.ready, this, context);
  }

  draw(): number {
    const first = this.drawOne();
    let best = this.index.isUniform ? this.betterOf(first, this.anotherThan(first)) : this.drawByWeight(first);
    // The winner of two goes on against the next that is drawn, as often as it takes.
    for (let round = 0; round < this.further; round += 1) {
      const next = this.drawOne();
      if (next !== best && this.isSecondBetter(best, next)) best = next;
    }
    return best;
  }

  /** Of two of the same weight, and two suspects. Of two that are idle and alike, the one that was picked longer ago. */
  private betterOf(first: number, second: number): number {
    const a = this.loads[first] as EndpointLoad;
    const b = this.loads[second] as EndpointLoad;
    if (a.isSuspect !== b.isSuspect) return b.isSuspect ? first : second;
    const costA = (a.busy + 1) * this.slowness(a, b);
    const costB = (b.busy + 1) * this.slowness(b, a);
    if (costB !== costA || a.busy > 0) return costB < costA ? second : first;
    // The difference of turns has its sign bit set when the second's was earlier, also where they have wrapped. A
    // branch would be guessed wrong half of the time, which costs as much as a third of the pick.
    return first ^ ((first ^ second) & ((b.lastTurn - a.lastTurn) >> 31));
  }

  /**
   * How much slower `load` is than `other`: a factor >= 1 that its cost is multiplied with; 1 when the difference is
   * not worth acting on.
   */
  protected slowness(_load: EndpointLoad, _other: EndpointLoad): number {
    return 1;
  }

  private drawOne(): number {
    return this.index.at(this.draws.next());
  }

  private drawByWeight(first: number): number {
    let second = this.drawOne();
    if (second !== first) return this.isSecondBetter(first, second) ? second : first;
    // Drawn twice: its weight says that it need not compete, so only a clear fault takes the call away from it.
    for (let redraw = 0; redraw < 3 && second === first; redraw += 1) second = this.drawOne();
    if (second === first) second = this.anotherThan(first);
    return this.isFirstAtFault(first, second) ? second : first;
  }

  /**
   * Calls that last are few, so that a pick may look at more endpoints than two: these, from one that is drawn on. What
   * counts is how many such calls are open for the weight; quick ones come and go meanwhile.
   */
  private pickForLasting(): Connection | undefined {
    const { ready } = this;
    let best = this.drawOne();
    const looked = Math.min(ready.length, LASTING_CHOICES);
    for (let step = 1, next = best; step < looked; step += 1) {
      next = next + 1 === ready.length ? 0 : next + 1;
      if (this.isBetterForLasting(best, next)) best = next;
    }
    return ready[best];
  }

  private isBetterForLasting(first: number, second: number): boolean {
    const a = this.loads[first] as EndpointLoad;
    const b = this.loads[second] as EndpointLoad;
    if (a.isSuspect !== b.isSuspect) return a.isSuspect;
    if (this.isCheaper(first, second, a.lastingBusy, b.lastingBusy)) return true;
    return this.index.isUniform && a.lastingBusy === b.lastingBusy && b.lastTurn - a.lastTurn < 0;
  }

  /** Any index but `index`, all equally likely. */
  private anotherThan(index: number): number {
    const other = this.draws.below(this.ready.length - 1);
    return other >= index ? other + 1 : other;
  }

  /**
   * Costs are (in flight + 1) x slowness. With unequal weights the heavier one's attempts are scaled down to the weight
   * of the lighter and rounded up or down by chance, so that it looks like one of the lighter kind: 3 attempts at ten
   * times the weight are 0 in seven cases of ten and 1 in three.
   */
  private isSecondBetter(first: number, second: number): boolean {
    const a = this.loads[first] as EndpointLoad;
    const b = this.loads[second] as EndpointLoad;
    if (a.isSuspect !== b.isSuspect) return a.isSuspect;
    return this.isCheaper(first, second, a.busy, b.busy);
  }

  /** Would the second's cost be lower, with so many in flight at each? */
  private isCheaper(first: number, second: number, atFirst: number, atSecond: number): boolean {
    const a = this.loads[first] as EndpointLoad;
    const b = this.loads[second] as EndpointLoad;
    let inFlightA = atFirst;
    let inFlightB = atSecond;
    if (!this.index.isUniform) {
      const weightA = this.weights[first] as number;
      const weightB = this.weights[second] as number;
      const dither = (this.draws.next() >>> 0) / DRAW_RANGE;
      if (weightA > weightB) inFlightA = Math.floor((inFlightA * weightB) / weightA + dither);
      else if (weightB > weightA) inFlightB = Math.floor((inFlightB * weightA) / weightB + dither);
    }
    return (inFlightB + 1) * this.slowness(b, a) < (inFlightA + 1) * this.slowness(a, b);
  }

  private isFirstAtFault(first: number, second: number): boolean {
    const a = this.loads[first] as EndpointLoad;
    const b = this.loads[second] as EndpointLoad;
    if (b.isSuspect) return false;
    if (a.isSuspect) return true;
    return this.slowness(a, b) > 1 && this.isSecondBetter(first, second);
  }
}

/**
 * `peak_ewma` (default): of two endpoints drawn by weight, the one with the lower product of attempts in flight and
 * recent slowness: how long it took in multiples of what its calls' methods usually take. Shuns a slow endpoint within
 * one response, also when there is little traffic, and tries it again as the memory of it fades.
 */
export class PeakEwmaPicker extends LeastRequestPicker {
  protected override slowness(load: EndpointLoad, other: EndpointLoad): number {
    return slownessBeside(load, other);
  }
}

/**
 * An endpoint without samples is neither slow nor a measure for others: it competes on its attempts in flight alone, so
 * that many new endpoints do not attract all calls. Nor is one a measure that failed last: what fails is no peer's
 * example.
 */
export function slownessBeside(load: EndpointLoad, other: EndpointLoad): number {
  const tolerated = LATE_FACTOR * other.measure;
  const { blame } = load;
  return blame <= tolerated || tolerated === 0 ? 1 : blame / tolerated;
}
