import type { Connection } from '../endpoints/endpoint';
import type { EndpointLoad } from '../endpoints/load';
import { type PickContext, type PoolPicker, scanFrom, wasTried } from './pool-picker';
import { DRAW_RANGE, scatter } from './weighted-index';

/** Most points that a ring of equal weights gets; endpoints have fewer each as the pool grows. */
const RING_TARGET = 65_536;
const MAX_POINTS_AT_MEAN_WEIGHT = 512;
const MIN_POINTS_AT_MEAN_WEIGHT = 16;
const MAX_POINTS = 4096;
/** Points that a call goes on along the ring before it takes whoever is there. */
const WALK_LIMIT = 256;
/**
 * `ring_hash`: a call goes to the endpoint that owns the next point on a ring after the hash of its label; without the
 * label, to a random place. An endpoint's points depend on its key and its weight, so that another one's coming or
 * going moves only the calls that are its own. A retry, and a call whose endpoint is suspect, goes on along the ring.
 */
export class RingHashPicker implements PoolPicker {
  private readonly ready: readonly Connection[];
  private readonly loads: readonly EndpointLoad[];
  private readonly ring: Ring;

  constructor(ready: readonly Connection[]) {
    this.ready = ready;
    this.loads = ready.map(({ endpoint }) => endpoint.load);
    this.ring = buildRing(ready);
  }

  pick(context: PickContext): Connection | undefined {
    const hash = context.hash >= 0 ? context.hash : Math.floor(context.random() * DRAW_RANGE);
    const position = this.positionAfter(hash);
    if (context.tried === undefined) {
      const owner = this.ring.owners[position] as number;
      if (this.loads[owner]?.isSuspect === false) return this.ready[owner];
    }
    return this.walkFrom(position, context);
  }

  owns(connection: Connection, hash: number): boolean {
    const owner = this.ring.owners[this.positionAfter(hash)] as number;
    return this.ready[owner] === connection;
  }

  private positionAfter(hash: number): number {
    const { points, slices, sliceShift } = this.ring;
    let position = slices[hash >>> sliceShift] as number;
    while (position < points.length && (points[position] as number) < hash) position += 1;
    return position === points.length ? 0 : position;
  }

  private walkFrom(position: number, context: PickContext): Connection | undefined {
    const { ready } = this;
    const { owners } = this.ring;
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

interface Ring {
  /** Ascending. */
  readonly points: Uint32Array;
  /** Member of each point, as an index into the pool. */
  readonly owners: Uint32Array;
  /** First point of each equal slice of the ring, by the leading bits of a hash: a slice has one point on average. */
  readonly slices: Uint32Array;
  readonly sliceShift: number;
}

/** Hashes are spread evenly, so putting them into slices sorts them all but locally: ten times as fast as a sort. */
function buildRing(ready: readonly Connection[]): Ring {
  const { hashes, members } = hashPoints(ready);
  const size = hashes.length;
  const sliceShift = Math.clz32(size);
  const slices = new Uint32Array(2 ** (32 - sliceShift));
  for (const hash of hashes) {
    const next = (hash >>> sliceShift) + 1;
    if (next < slices.length) slices[next] = (slices[next] as number) + 1;
  }
  for (let slice = 1; slice < slices.length; slice += 1) {
    slices[slice] = (slices[slice] as number) + (slices[slice - 1] as number);
  }
  const points = new Uint32Array(size);
  const owners = new Uint32Array(size);
  const filled = slices.slice();
  hashes.forEach((hash, index) => {
    const slice = hash >>> sliceShift;
    let hole = filled[slice] as number;
    filled[slice] = hole + 1;
    for (; hole > (slices[slice] as number) && (points[hole - 1] as number) > hash; hole -= 1) {
      points[hole] = points[hole - 1] as number;
      owners[hole] = owners[hole - 1] as number;
    }
    points[hole] = hash;
    owners[hole] = members[index] as number;
  });
  return { points, owners, slices, sliceShift };
}

function hashPoints(ready: readonly Connection[]): { hashes: Uint32Array; members: Uint32Array } {
  const pointsPerWeight = pointsFor(ready);
  const counts = ready.map(({ endpoint }) =>
    Math.min(MAX_POINTS, Math.max(1, Math.round(endpoint.weight * pointsPerWeight))),
  );
  const size = counts.reduce((sum, count) => sum + count, 0);
  const hashes = new Uint32Array(size);
  const members = new Uint32Array(size);
  let filled = 0;
  ready.forEach(({ endpoint }, index) => {
    const start = hashKey(endpoint.key, 0);
    // Odd, and from a hash of its own: two keys that share one of the hashes still have different points.
    const stride = hashKey(endpoint.key, 1) | 1;
    for (let point = 0; point < (counts[index] as number); point += 1) {
      hashes[filled] = scatter((start + Math.imul(point, stride)) | 0);
      members[filled] = index;
      filled += 1;
    }
  });
  return { hashes, members };
}

/**
 * Both the mean weight and the points at it are rounded to powers of two: they then stay the same, and with them the
 * points of everyone else, when one endpoint comes or goes.
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
