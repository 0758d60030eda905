import type { Algorithm } from '../../../src/policy/document';
import { PLAIN } from './clients';
import { chanceOfLoss, chanceOfShares, worstShare } from './noise';
import type { Seen } from './run-scene';
import { ALGORITHMS, type Scene } from './scenes';

/** One algorithm in one scene, beside the plain client. */
export interface Cell extends Scene {
  readonly algorithm: Algorithm;
  readonly ours: Figures;
  readonly theirs: Figures;
  /** That chance alone makes ours so much worse. */
  readonly chance: { readonly loss: number; readonly share: number };
}

interface Figures {
  readonly made: number;
  readonly lost: number;
  /** Of the instances that are well, the share farthest from fair, which is 1. */
  readonly worstShare: number;
}

/** A cell is worse when chance makes it so in fewer than one of a thousand runs, in every run that it had. */
export const LEAST_CHANCE = 0.001;

export function judge(scene: Scene, seen: ReadonlyMap<string, Seen>): Cell[] {
  const plain = seen.get(PLAIN) as Seen;
  return ALGORITHMS.map((algorithm) => {
    const ours = seen.get(algorithm) as Seen;
    return {
      ...scene,
      algorithm,
      ours: figuresOf(ours),
      theirs: figuresOf(plain),
      chance: {
        loss: chanceOfLoss(ours, plain),
        share: promisesShares(scene, algorithm) ? leastChanceOfShares(ours, plain) : 1,
      },
    };
  });
}

/**
 * `ring_hash` promises a user his instance, not an instance its share. And where a NAT forgot the connections of the plain
 * client, no call of it comes anywhere.
 */
function promisesShares({ fault }: Scene, algorithm: Algorithm): boolean {
  return algorithm !== 'ring_hash' && fault !== 'NAT forgets connections';
}

function leastChanceOfShares(ours: Seen, plain: Seen): number {
  const chances = ours.shares.map((counts, method) => chanceOfShares(counts, plain.shares[method] ?? []));
  return Math.min(1, Math.min(...chances) * chances.length);
}

function figuresOf({ made, lost, shares }: Seen): Figures {
  const worst = shares.map(worstShare).reduce((a, b) => (Math.abs(a - 1) > Math.abs(b - 1) ? a : b));
  return { made, lost, worstShare: worst };
}

export function isWorse({ chance }: Cell): boolean {
  return chance.loss < LEAST_CHANCE || chance.share < LEAST_CHANCE;
}
