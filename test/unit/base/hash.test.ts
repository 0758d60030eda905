import { describe, expect, it } from 'vitest';
import { BUCKETS, bucketOfHash, hash32, seedOf } from '../../../src/base/hash';

describe('hash32', () => {
  // Changing these sends sticky callers elsewhere in the middle of a rollout.
  it.each([
    ['', 0, 0],
    ['a', 0, 1867108634],
    ['u-42', 0, -507882665],
    ['u-42', 1, 1956913127],
    ['käse', 7, -220102582],
    ['😀', 7, 1506039755],
    ['a longer value, of an odd length', 12345, -885330304],
  ])('of %j with seed %i stays %i', (text, seed, expected) => {
    expect(hash32(text, seed)).toBe(expected);
  });

  it('is MurmurHash3 x86 32 of the UTF-16 bytes, little endian', () => {
    // Reference: Buffer-based, byte by byte, written apart from the code under test.
    for (const text of ['', 'a', 'ab', 'abc', 'u-42', 'käse', '😀x', 'x'.repeat(101)]) {
      for (const seed of [0, 1, 0xdeadbeef])
        expect(hash32(text, seed)).toBe(murmur3(Buffer.from(text, 'utf16le'), seed));
    }
  });

  it('spreads values evenly over buckets', () => {
    const counts = new Array<number>(100).fill(0);
    const seed = seedOf('everyone', 'split');
    const values = 100_000;
    for (let index = 0; index < values; index += 1) {
      const cell = Math.floor((bucketOfHash(hash32(`user-${index}`, seed)) / BUCKETS) * 100);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
    const expected = values / counts.length;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 99 degrees of freedom: beyond 149 by chance once in 1,000 times.
    expect(chiSquare).toBeLessThan(149);
  });

  it('keeps salts and purposes apart', () => {
    const seeds = [
      seedOf('a', 'split'),
      seedOf('a', 'sample'),
      seedOf('b', 'split'),
      seedOf('tsplit', 'a'),
      seedOf('', 'split'),
    ];
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  it('puts the ends of the range into the first and the last bucket', () => {
    expect(bucketOfHash(0)).toBe(0);
    expect(bucketOfHash(-1)).toBe(BUCKETS - 1);
  });
});

function murmur3(bytes: Buffer, seed: number): number {
  const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  const mix = (block: number): number => Math.imul(rotate(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
  let hash = seed;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) hash = Math.imul(rotate(hash ^ mix(bytes.readInt32LE(at)), 13), 5) + 0xe6546b64;
  let tail = 0;
  for (let at = bytes.length - 1; at >= whole; at -= 1) tail = (tail << 8) | (bytes[at] ?? 0);
  hash ^= mix(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
