import { expect, it, onTestFinished } from 'vitest';
import { startLive } from '../cli/live-command';
import { serve } from '../rollout/collector/figures-world';
import { rolloutWorld } from '../rollout/rollout-world';
import { isCandidateHeld, policyFile, stickyPolicy } from './trial-world';

const world = rolloutWorld();
const FORCED = ['-m', 'a change', '--force', '--allow-reshuffle'];

it.each([
  ['policy trial', () => ['trial', policyFile(stickyPolicy(30)), '--for', '10m']],
  ['policy apply --gradual', () => ['apply', policyFile(stickyPolicy(30)), '--gradual', '34,100', ...FORCED]],
])('%s ends in order when it is interrupted as soon as it says that it listens', { timeout: 60_000 }, async (_, of) => {
  await serve(world, 'payments');
  await world.consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(stickyPolicy(5)));
  const consul = world.consul.dc('dc1').address;
  const live = startLive(['policy', ...of(), '--listen', '127.0.0.1:0'], { CONSUL_HTTP_ADDR: consul });
  onTestFinished(() => live.kill());
  await live.note(/listens at/);
  // Null is what a signal leaves that nobody heeds.
  expect(await live.interrupt()).not.toBeNull();
  expect(await isCandidateHeld(consul)).toBe(false);
});
