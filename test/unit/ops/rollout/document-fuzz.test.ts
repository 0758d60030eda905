import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validateRollout } from '../../../../src/ops/rollout/validate';
import { runs } from '../../../support/slice';
import { change, placesOf, WHOLE } from './whole-rollout';

describe('validateRollout', () => {
  const places = placesOf(WHOLE);

  it('refuses a foreign value in every place, with the path of that place', () => {
    const foreign = fc.constantFrom<unknown>(
      null,
      Number.NaN,
      { wobble: 1 },
      [[]],
      -7.5,
      'a b\u0000c',
      1e300,
      true,
      'x'.repeat(9_000),
    );
    fc.assert(
      fc.property(fc.constantFrom(...places), foreign, (path, value) => {
        const { problems, document } = validateRollout(change(path, value));
        const badlyTold = problems.filter(
          ({ path: where, message }) =>
            !message.startsWith(where === '' ? 'rollout: ' : `${where}: `) || !/ \(expected: .+\)$/s.test(message),
        );
        expect(badlyTold).toEqual([]);
        expect(document === undefined).toBe(problems.length > 0);
        // Which place, unless the value happens to be sound there or says something else of the whole.
        const shown = path.reduce<string>(
          (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
          '',
        );
        if (value === null)
          expect(problems.map(({ path: where }) => where)).toContainEqual(expect.stringContaining(shown));
      }),
      { numRuns: runs(1_000) },
    );
  });

  it('judges anything without throwing', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (value) => {
          expect(validateRollout(value).problems.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('refuses every unknown key at its path', () => {
    for (const path of places) {
      const { problems } = validateRollout(change([...path.slice(0, -1), 'wobble'], 1));
      if (typeof path.at(-1) === 'number') continue;
      const isOpen = ['labels', 'x-gray'].some((key) => path.includes(key) && path.at(-1) !== 'labels');
      if (!isOpen)
        expect(problems.map(({ path: where }) => where)).toContainEqual(expect.stringMatching(/(^|\.)wobble$/));
    }
  });
});
