import type { Connection } from './endpoint';
import type { EndpointLoad } from './load';
import { type PickContext, type PoolPicker, scanFrom, wasTried } from './pool-picker';
import { DRAW_RANGE, scatter } from './weighted-index';

/** Most points that a ring of equal weights gets; endpoints have fewer each as the pool grows. */
const RING_TARGET = 65_536;
const MAX_POINTS_AT_MEAN_WEIGHT = 512;
const MIN_POINTS_AT_MEAN_WEIGHT = 16;
const MAX_POINTS = 4096;
/** Points that a call goes on along the ring before it takes whoever is there. */
const WALK_LIMIT = 256;
/** Room for the member's index beside a 32-bit point in the 53 bits of a number. */
const INDEX_RANGE = 2 ** 21;

/**
 * `ring_hash`: a call goes to the endpoint that owns the next point on a ring after the hash of its label; without the label,
 * to a random place. An endpoint's points depend on its key and its weight, so that another one's coming or going
 * moves only the calls that are its own. A retry, and a call whose endpoint is suspect, goes on along the ring.
 */
export function createRingHashPicker(ready: readonly Connection[]): PoolPicker {
  return new RingHashPicker(ready);
}

class RingHashPicker implements PoolPicker {
  private readonly ready: readonly Connection[];
  private readonly loads: readonly EndpointLoad[];
  private readonly points: Uint32Array;
  private readonly owners: Uint32Array;
  /** First point of each equal slice of the ring, by the leading bits of a hash: a slice has one point on average. */
  private readonly slices: Uint32Array;
  private readonly sliceShift: number;

  constructor(ready: readonly Connection[]) {
    this.ready = ready;
    this.loads = ready.map(({ endpoint }) => endpoint.load);
    const ring = buildRing(ready);
    this.points = Uint32Array.from(ring, (entry) => Math.floor(entry / INDEX_RANGE));
    this.owners = Uint32Array.from(ring, (entry) => entry % INDEX_RANGE);
    this.sliceShift = Math.clz32(ring.length);
    this.slices = new Uint32Array(2 ** (32 - this.sliceShift));
    let point = 0;
    for (let slice = 0; slice < this.slices.length; slice += 1) {
      while (point < ring.length && (this.points[point] as number) >>> this.sliceShift < slice) point += 1;
      this.slices[slice] = point;
    }
  }

  pick(context: PickContext): Connection | undefined {
    const hash = context.hash >= 0 ? context.hash : Math.floor(context.random() * DRAW_RANGE);
    const position = this.positionAfter(hash);
    if (context.tried === undefined) {
      const owner = this.owners[position] as number;
      if (this.loads[owner]?.isSuspect === false) return this.ready[owner];
    }
    return this.walkFrom(position, context);
  }

  private positionAfter(hash: number): number {
    const { points } = this;
    let position = this.slices[hash >>> this.sliceShift] as number;
    while (position < points.length && (points[position] as number) < hash) position += 1;
    return position === points.length ? 0 : position;
  }

  private walkFrom(position: number, context: PickContext): Connection | undefined {
    const { owners, ready } = this;
    let suspect: Connection | undefined;
    for (let step = 0; step < WALK_LIMIT && step < owners.length; step += 1) {
      const owner = ready[owners[(position + step) % owners.length] as number];
      if (owner === undefined || wasTried(owner, context.tried)) continue;
      if (!owner.endpoint.load.isSuspect) return owner;
      suspect ??= owner;
    }
    return scanFrom(owners[position] as number, ready, context.tried, suspect);
  }
}

/** Sorted; each entry is a point and, in its low bits, who owns it. */
function buildRing(ready: readonly Connection[]): Float64Array {
  const pointsPerWeight = pointsFor(ready);
  const counts = ready.map(({ endpoint }) =>
    Math.min(MAX_POINTS, Math.max(1, Math.round(endpoint.weight * pointsPerWeight))),
  );
  const ring = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let filled = 0;
  ready.forEach(({ endpoint }, index) => {
    const start = hashKey(endpoint.key, 0);
    // Odd, and from a hash of its own: two keys that share one of the hashes still have different points.
    const stride = hashKey(endpoint.key, 1) | 1;
    for (let point = 0; point < (counts[index] as number); point += 1) {
      ring[filled] = (scatter((start + Math.imul(point, stride)) | 0) >>> 0) * INDEX_RANGE + index;
      filled += 1;
    }
  });
  return ring.sort();
}

/**
 * Both the mean weight and the points at it are rounded to powers of two: they then stay the same, and with them the points
 * of everyone else, when one endpoint comes or goes.
 */
function pointsFor(ready: readonly Connection[]): number {
  const mean = ready.reduce((sum, { endpoint }) => sum + endpoint.weight, 0) / ready.length;
  const atMean = powerOfTwoUpTo(RING_TARGET / ready.length);
  const points = Math.min(MAX_POINTS_AT_MEAN_WEIGHT, Math.max(MIN_POINTS_AT_MEAN_WEIGHT, atMean));
  return points / powerOfTwoUpTo(mean);
}

function powerOfTwoUpTo(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}

/** 32-bit hash of a key (FNV-1a over UTF-16 units, then mixed). Stable across processes: clients agree on it. */
export function hashKey(key: string, seed: number): number {
  let hash = 0x811c9dc5 ^ scatter(seed);
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return scatter(hash) >>> 0;
}
