import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readServingStatus } from '../../../../../src/client/balancer/probes/health-rpc';

function framed(...payload: number[]): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, Buffer.from(payload)]);
}

describe('the answer of a health service', () => {
  it.each<[string, Buffer, string]>([
    ['SERVING', framed(8, 1), 'serving'],
    ['NOT_SERVING', framed(8, 2), 'notServing'],
    ['UNKNOWN', framed(8, 0), 'unknown'],
    ['UNKNOWN, left out', framed(), 'unknown'],
    ['SERVICE_UNKNOWN', framed(8, 3), 'unknown'],
    ['SERVING in a longer varint', framed(8, 129, 0), 'serving'],
    [
      'SERVING behind fields that nobody knows',
      framed(16, 7, 26, 2, 8, 2, 37, 0, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0, 0, 8, 1),
      'serving',
    ],
    ['the last of two', framed(8, 2, 8, 1), 'serving'],
    ['compressed', Buffer.from([1, 0, 0, 0, 2, 8, 1]), 'unknown'],
    ['cut off in a varint', framed(8, 129), 'unknown'],
    ['cut off in a field', framed(8, 1, 26, 9), 'unknown'],
    ['a group', framed(8, 1, 27), 'unknown'],
    ['no prefix', Buffer.from([8, 1]), 'unknown'],
  ])('%s', (_, message, expected) => {
    expect(readServingStatus(message)).toBe(expected);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(['serving', 'notServing', 'unknown']).toContain(readServingStatus(Buffer.from(bytes)));
      }),
    );
  });
});
