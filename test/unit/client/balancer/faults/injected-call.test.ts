import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { shortenTimeout } from '../../../../../src/client/balancer/faults/injected-call';

describe('shortenTimeout', () => {
  it.each([
    ['5000m', 1_000, '4000m'],
    ['5S', 1_200, '3800m'],
    ['2M', 60_000, '60000m'],
    ['30H', 3_600_000, '104400S'],
    ['100m', 250, '1m'],
    ['10m', 0.4, '10m'],
  ])('%s, begun %s ms late, leaves %s', (before, byMs, after) => {
    const metadata = new Metadata();
    metadata.set('grpc-timeout', before);
    shortenTimeout(metadata, byMs);
    expect(metadata.get('grpc-timeout')).toEqual([after]);
  });

  it('leaves a call without a deadline alone', () => {
    const metadata = new Metadata();
    shortenTimeout(metadata, 10);
    expect(metadata.get('grpc-timeout')).toEqual([]);
  });
});
