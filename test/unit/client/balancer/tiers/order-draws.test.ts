import { expect, it } from 'vitest';
import { anybodyConnected } from '../../../../../src/client/balancer/tiers/order';
import type { CallState } from '../../../../../src/client/grpc/call-state';

it('a call that nobody can take draws no number, so that seeded clients stay in step', () => {
  let draws = 0;
  const random = (): number => {
    draws += 1;
    return 0;
  };
  expect([anybodyConnected({ tried: undefined } as CallState, [], random), draws]).toEqual([undefined, 0]);
});
