import { expect, it } from 'vitest';
import { GraylaneError } from '../../../../src/base/errors';
import { parseInstancesText } from '../../../../src/client/discovery/instances-text';

function refusalOf(text: string, path: string): string {
  try {
    parseInstancesText(text, path);
  } catch (error) {
    return error instanceof GraylaneError && error.code === 'INVALID_INSTANCE' ? error.message : String(error);
  }
  return 'nothing';
}

it.each([
  [
    'pay:\n  - address: h\n    port:1\n  - address: i\n',
    'i.yaml',
    /^3:11 instances: not YAML .*a blank stands between a colon/,
  ],
  ['pay:\n\t- address: h\n', 'i.yml', /^2:\d instances: not YAML .*lines are indented by spaces/],
  ['pay: []\n---\npay: []\n', 'i.yaml', /^3:1 instances: not YAML .*more than one document/],
  ['pay: []\npay: []\n', 'i.yaml', /^2:1 pay: given twice \(expected: each key once\)/],
  ['{ "pay": [1,] }', 'i.json', /^1:\d+ instances: not JSON .*no comma stands before/],
  ['{ "pay": [], "pay": [] }', 'i.json', /^1:14 pay: given twice/],
  [' \n', 'i.yaml', /^instances: blank/],
])('a file of instances that cannot be read says where and what was meant: %j', (text, path, expected) => {
  expect(refusalOf(text, path)).toMatch(expected);
});

it.each([
  ['\uFEFFpay: [{ address: h, port: 1 }]', 'i.yaml'],
  ['\uFEFF{ "pay": [{ "address": "h", "port": 1 }] }', 'i.json'],
  ['{ "pay": [{ "address": "h", "port": 1 }] }', 'i.yaml'],
])('reads %j', (text, path) => {
  expect(parseInstancesText(text, path)).toEqual({ pay: [{ address: 'h', port: 1 }] });
});

it('reads more than a policy may hold', () => {
  const pay = Array.from({ length: 20_000 }, (_, index) => ({
    address: `10.0.${index >> 8}.${index & 255}`,
    port: 1_000,
  }));
  expect(parseInstancesText(JSON.stringify({ pay }), 'i.json')).toEqual({ pay });
});
