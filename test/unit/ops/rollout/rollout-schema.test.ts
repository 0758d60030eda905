import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { rolloutSchema } from '../../../../src/ops/rollout/rollout-schema';
import { validateRollout } from '../../../../src/ops/rollout/validate';
import { fencesOf } from '../../../integration/docs/fences';
import { change, placesOf, WHOLE } from './whole-rollout';

describe('the published schema', () => {
  const editor = new Ajv({ allErrors: true, allowUnionTypes: true, strictRequired: false, strictTypes: false });
  const accepts = editor.compile(rolloutSchema);

  it('is a valid draft-07 schema that accepts what people are shown', () => {
    expect(editor.validateSchema(rolloutSchema)).toBe(true);
    expect(accepts(WHOLE)).toBe(true);
    const shown = fencesOf('docs/rollouts.md').filter(({ text }) => text.startsWith('# rollout.yaml'));
    for (const { text } of shown) expect(accepts(parse(text))).toBe(true);
    expect(shown).toHaveLength(1);
  });

  it('agrees with the validator: what one refuses by its structure the other does, at the same place', () => {
    const disagreements: unknown[] = [];
    for (const path of placesOf(WHOLE)) {
      for (const value of FOREIGN) {
        const document = change(path, value);
        const { problems } = validateRollout(document);
        if (accepts(document)) {
          // Left over is what no schema says.
          disagreements.push(...problems.filter(({ message }) => !BEYOND_SCHEMAS.test(message)));
          continue;
        }
        const places = problems.map((problem) => partsOf(problem.path));
        const isKnown = (at: string): boolean => at === '' || places.some((place) => `${place}.`.startsWith(`${at}.`));
        disagreements.push(...(accepts.errors ?? []).filter(({ instancePath }) => !isKnown(partsOf(instancePath))));
      }
    }
    expect(disagreements).toEqual([]);
  });
});

const FOREIGN = [null, { wobble: 1 }, [[]], [], {}, -7.5, 0, 101, 'a b', '', 1e300, true];

/** The same of a JSON pointer and of a path as messages have it. */
function partsOf(path: string): string {
  const parts = path.split(/[^\w$-]+/).filter((part) => part !== '');
  return parts.join('.');
}

const BEYOND_SCHEMAS = new RegExp(
  [
    'another subset than stable',
    'at least one\\)$',
    'each check once',
    'a name that no',
    'successCondition, failureCondition or both',
    'successCondition: |failureCondition: ',
    'steps\\[\\d+\\]\\.setRoute\\.match',
    'only with a provider',
    'a provider of one figure',
    'each gate once at a moment',
    'each step once',
    'what they compared',
    'only with when: before-step',
    'a step of the rollout, 1 to',
    'a time zone that this machine knows',
    'later than from',
    'a day that exists',
    'a setMirror before it',
    'a setRoute before it',
    'steps of 0.01',
  ].join('|'),
);
