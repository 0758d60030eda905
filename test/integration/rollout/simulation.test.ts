import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import type { RolloutDocument } from '../../../src/ops/rollout/document';
import { validateRollout } from '../../../src/ops/rollout/validate';
import { printFact } from '../../support/figure';
import { isLong } from '../../support/slice';
import { type SideBehaviour, type SimulatedEnd, simulateRollout } from './simulated-rollout';

const ROLLOUTS = isLong ? 200 : 100;
const HEALTHY: SideBehaviour = { failing: 0.005, medianMs: 20 };

const DOCUMENT = {
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  steps: [5, 25, 50, 100].flatMap((setWeight) => [{ setWeight }, { analysis: {} }]),
  analysis: {
    intervalMs: 10_000,
    count: 3,
    inconclusiveLimit: 100,
    checks: [{ check: 'request-success-rate', threshold: 1 }, { check: 'request-duration' }, { check: 'breaker-open' }],
  },
} as const satisfies RolloutDocument;

function simulate(canary: SideBehaviour, callsPerSecond = 300, document: RolloutDocument = DOCUMENT) {
  expect(validateRollout(document).problems).toEqual([]);
  return Array.from({ length: ROLLOUTS }, (_, seed) =>
    simulateRollout(document, { callsPerSecond, stable: HEALTHY, canary, random: seededRandom(seed + 1) }),
  );
}

function ended(ends: readonly SimulatedEnd[], kind: string): readonly SimulatedEnd[] {
  return ends.filter(({ progress }) => progress.state.kind === kind);
}

function most(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  return `median ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)}, at most ${Math.round(sorted.at(-1) ?? 0)}`;
}

describe('200 seeded rollouts in virtual time, 300 calls a second', () => {
  it('rolls back no more healthy canaries than it says', () => {
    const ends = simulate(HEALTHY);
    const back = ended(ends, 'aborted').length;
    const whole = ended(ends, 'completed');
    printFact(
      'healthy canaries',
      `${back} of ${ROLLOUTS} rolled back (stated: 1 %), ${whole.length} completed; seconds: ${most(whole.map((end) => end.elapsedMs / 1_000))}`,
    );
    expect(back).toBeLessThanOrEqual(ROLLOUTS * 0.01);
    expect(whole.length).toBeGreaterThanOrEqual(ROLLOUTS * 0.95);
    for (const { weights } of whole) expect(weights).toEqual([5, 25, 50, 100]);
  });

  it('rolls back no more than it says of those that fail just as much as is allowed', () => {
    const brief: RolloutDocument = { ...DOCUMENT, analysis: { ...DOCUMENT.analysis, inconclusiveLimit: 20 } };
    const ends = simulate({ ...HEALTHY, failing: HEALTHY.failing + 0.01 }, 300, brief);
    const back = ended(ends, 'aborted').length;
    printFact(
      'canaries just at the limit',
      `${back} of ${ROLLOUTS} rolled back (stated: 1 %), ${ended(ends, 'completed').length} completed, ${ended(ends, 'inconclusive').length} inconclusive`,
    );
    expect(back).toBeLessThanOrEqual(ROLLOUTS * 0.01);
    expect(ended(ends, 'completed').length).toBeLessThanOrEqual(ROLLOUTS * 0.01);
  });

  it('rolls back every canary that fails twice as much as is allowed', () => {
    const ends = simulate({ ...HEALTHY, failing: HEALTHY.failing + 0.02 });
    const back = ended(ends, 'aborted');
    printFact(
      'canaries twice beyond the limit (2 points more failures, 1 allowed)',
      `${back.length} of ${ROLLOUTS} rolled back; calls lost until then: ${most(back.map((end) => end.canaryFailures))} of ${most(back.map((end) => end.canaryCalls))}; seconds: ${most(back.map((end) => end.elapsedMs / 1_000))}`,
    );
    expect(back).toHaveLength(ROLLOUTS);
    for (const { weights } of back) expect(weights.at(-1)).toBe(0);
  });

  it('rolls back every canary that fails 5 % of its calls, at the first weight', () => {
    const ends = simulate({ ...HEALTHY, failing: 0.05 });
    printFact(
      'canaries that fail 5 %',
      `calls lost until rolled back: ${most(ends.map((end) => end.canaryFailures))}; seconds: ${most(ends.map((end) => end.elapsedMs / 1_000))}`,
    );
    expect(ended(ends, 'aborted')).toHaveLength(ROLLOUTS);
    for (const { weights } of ends) expect(weights).toEqual([5, 0]);
  });

  it('rolls back every canary that is three times slower, and says why', () => {
    const ends = simulate({ ...HEALTHY, medianMs: 3 * HEALTHY.medianMs });
    printFact(
      'canaries three times slower',
      `${ended(ends, 'aborted').length} of ${ROLLOUTS} rolled back; canary calls until then: ${most(ends.map((end) => end.canaryCalls))}`,
    );
    expect(ended(ends, 'aborted')).toHaveLength(ROLLOUTS);
    for (const { progress } of ends) {
      expect(progress.state).toMatchObject({
        why: 'analysis',
        message: expect.stringMatching(
          /^request-duration p99: canary p99 \d+ ms, stable \d+ ms; about .* took longer than/,
        ),
      });
    }
  });

  it('pauses as inconclusive where calls are too few, whatever the canary does', () => {
    const few: RolloutDocument = { ...DOCUMENT, analysis: { ...DOCUMENT.analysis, inconclusiveLimit: 5 } };
    for (const failing of [0.005, 0.2]) {
      const ends = simulate({ ...HEALTHY, failing }, 10, few);
      expect(ended(ends, 'inconclusive')).toHaveLength(ROLLOUTS);
      for (const { progress, weights } of ends) {
        expect(weights).toEqual([5]);
        expect(progress.state).toMatchObject({
          message: expect.stringMatching(/^request-success-rate: too few calls: canary \d+ of at least 100/),
        });
      }
    }
  });

  describe('by absolute limits alone: 99 % succeed, p99 within 100 ms', () => {
    const checks = [
      { check: 'request-success-rate', minimum: 99 },
      { check: 'request-duration', maximumMs: 100 },
    ] as const;
    const ABSOLUTE: RolloutDocument = { ...DOCUMENT, analysis: { ...DOCUMENT.analysis, checks } };

    it('rolls back no more healthy canaries than it says, whatever stable does', () => {
      const ends = simulate(HEALTHY, 300, ABSOLUTE);
      const whole = ended(ends, 'completed');
      printFact(
        'absolute limits, healthy canaries',
        `${ended(ends, 'aborted').length} of ${ROLLOUTS} rolled back (stated: 1 %), ${whole.length} completed; seconds: ${most(whole.map((end) => end.elapsedMs / 1_000))}`,
      );
      expect(ended(ends, 'aborted').length).toBeLessThanOrEqual(ROLLOUTS * 0.01);
      expect(whole.length).toBeGreaterThanOrEqual(ROLLOUTS * 0.95);
    });

    it.each([
      ['just at the limit of failures', { ...HEALTHY, failing: 0.01 }],
      // p99 is 3.2 times the median.
      ['just at the limit of p99', { ...HEALTHY, medianMs: 100 / 3.2 }],
    ])('rolls back no more than it says of canaries %s', (name, canary) => {
      const brief: RolloutDocument = { ...ABSOLUTE, analysis: { ...ABSOLUTE.analysis, inconclusiveLimit: 20 } };
      const ends = simulate(canary, 300, brief);
      const back = ended(ends, 'aborted').length;
      printFact(`absolute limits, ${name}`, `${back} of ${ROLLOUTS} rolled back (stated: 1 %)`);
      expect(back).toBeLessThanOrEqual(ROLLOUTS * 0.01);
    });

    it.each([
      [
        'fail twice as much as is allowed',
        { ...HEALTHY, failing: 0.02 },
        /^request-success-rate: .*; allowed 1\.00 %$/,
      ],
      [
        'take twice as long at p99',
        { ...HEALTHY, medianMs: 200 / 3.2 },
        /^request-duration p99: .* took longer than 100 ms/,
      ],
    ])('rolls back every canary that does %s', (name, canary, message) => {
      const ends = simulate(canary, 300, ABSOLUTE);
      const back = ended(ends, 'aborted');
      printFact(
        `absolute limits, canaries that ${name}`,
        `${back.length} of ${ROLLOUTS} rolled back; seconds: ${most(back.map((end) => end.elapsedMs / 1_000))}`,
      );
      expect(back).toHaveLength(ROLLOUTS);
      for (const { progress } of back)
        expect(progress.state).toMatchObject({ message: expect.stringMatching(message) });
    });
  });
});
