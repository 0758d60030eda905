import { expect, it } from 'vitest';
import { printFact, printFigure } from '../../../support/figure';
import { isLong } from '../../../support/slice';
import { hearThroughNoise } from './noise';

it('answers with nothing new cost few bytes, and what is new among them is heard', async () => {
  const instances = 1_000;
  const figures = await hearThroughNoise({
    instances,
    changesPerSecond: 10,
    settleMs: isLong ? 30_000 : 2_000,
    forMs: isLong ? 30_000 : 3_000,
    realChanges: isLong ? 200 : 5,
  });
  printFact(
    `outputs of checks that change 10 times a second, ${instances} instances`,
    `${(figures.bytesPerSecond / 1e6).toFixed(2)} MB/s in ${figures.answersPerSecond.toFixed(1)} answers/s of ` +
      `${(figures.answerBytes / 1e6).toFixed(2)} MB each as they are`,
  );
  printFigure('an instance comes while outputs of checks change', figures.heardMs);
  expect(figures.bytesPerSecond).toBeLessThanOrEqual(500_000);
  // It is still asked: the change of an instance must not wait.
  expect(figures.answersPerSecond).toBeGreaterThan(0);
}, 300_000);
