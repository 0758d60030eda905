import { expect, it } from 'vitest';
import { labelsOf } from '../../../../src/policy/routing/labels';

it('labels of a record are found by lower-case keys, and not in prototypes', () => {
  expect(labelsOf({ 'X-Gray': 'canary' }).get('x-gray')).toBe('canary');
  expect(labelsOf({}).get('constructor')).toBeUndefined();
});
