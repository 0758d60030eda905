/**
 * The hash behind sticky splits, samples and rings: MurmurHash3 (x86, 32 bits) over UTF-16 code units, two to a block.
 * It is fixed for ever: another function, or another way to feed it, would send sticky callers elsewhere in the middle
 * of a rollout. Golden values in its test guard it. Fast and evenly spread, not for secrets. The result is signed:
 * small integers need no heap, and half of the unsigned ones are not small.
 */
export function hash32(text: string, seed: number): number {
  let hash = seed | 0;
  const length = text.length;
  const paired = length & ~1;
  for (let index = 0; index < paired; index += 2) {
    hash ^= scramble(text.charCodeAt(index) | (text.charCodeAt(index + 1) << 16));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (paired < length) hash ^= scramble(text.charCodeAt(paired));
  // Length in bytes, as the original counts.
  return finalize(hash ^ (length << 1));
}

/** Murmur's last step by itself: every bit of the input bears on every bit of the result. Signed. */
export function finalize(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/**
 * Seed of one use of a value: different salts, and different purposes under one salt, hash independently. `purpose`
 * holds no NUL, so no two pairs run together.
 */
export function seedOf(salt: string, purpose: string): number {
  return hash32(`${purpose}\u0000${salt}`, 0);
}

/** Buckets that splits and samples are cut into: a step is 0.01 %. */
export const BUCKETS = 10_000;

/** 0..9999, by the high bits of a hash, signed or not. */
export function bucketOfHash(hash: number): number {
  return Math.floor(((hash >>> 0) * BUCKETS) / 4_294_967_296);
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
