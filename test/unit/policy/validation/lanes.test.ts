import { describe, expect, it } from 'vitest';
import { validatePolicy } from '../../../../src/policy/validate';

const validate = (
  lanes: unknown,
  subsets: object = { stable: { tags: ['stable'] } },
): ReturnType<typeof validatePolicy> =>
  validatePolicy({ schema: 1, service: 'payments', subsets, default: 'stable', lanes }, { service: 'payments' });

const problemsOf = (lanes: unknown): readonly string[] => validate(lanes).problems.map(({ message }) => message);
const warningsOf = (lanes: unknown, subsets?: object): readonly string[] =>
  validate(lanes, subsets).warnings.map(({ message }) => message);

describe('lanes', () => {
  it.each<[string, unknown]>([
    ['one dimension', { by: 'x-lane' }],
    [
      'every key',
      { by: 'X-Lane', meta: 'env', fallback: 'stable', strict: false, ends: { 'pr-42': '2026-12-01T10:00:00Z' } },
    ],
    ['four dimensions', ['a', 'b', 'c', 'd'].map((name) => ({ by: `x-${name}`, meta: name }))],
  ])('may have %s', (_, lanes) => expect(validate(lanes)).toMatchObject({ problems: [], warnings: [] }));

  it.each<[string, unknown, string]>([
    ['no label', {}, 'lanes.by: missing (expected: a text)'],
    [
      'a label of credentials',
      { by: 'cookie' },
      'lanes.by: "cookie" (expected: a key that holds no credentials; cookie:name is one cookie)',
    ],
    [
      'a key of meta that Consul does not take',
      { by: 'x-lane', meta: 'a.b' },
      'lanes.meta: "a.b" (expected: a key of meta: letters, digits, - and _)',
    ],
    [
      'a subset that is not there',
      { by: 'x-lane', fallback: 'stabel' },
      'lanes.fallback: "stabel" (expected: one of stable; did you mean stable?)',
    ],
    [
      'the same in a list',
      [{ by: 'x-lane', fallback: 'stabel' }],
      'lanes[0].fallback: "stabel" (expected: one of stable; did you mean stable?)',
    ],
    [
      'an end that is no time',
      { by: 'x-lane', ends: { a: 'tomorrow' } },
      'lanes.ends.a: "tomorrow" (expected: a time as RFC 3339, such as 2026-12-01T10:00:00Z)',
    ],
    [
      'one label twice',
      [{ by: 'x-a' }, { by: 'X-A', meta: 'b' }],
      'lanes[1].by: "x-a" (expected: a label of its own; lanes[0] has this one)',
    ],
    [
      'one key of meta twice',
      [{ by: 'x-a' }, { by: 'x-b' }],
      'lanes[1].meta: "lane" (expected: a key of its own; lanes[0] has this one)',
    ],
    [
      'five dimensions',
      ['a', 'b', 'c', 'd', 'e'].map((name) => ({ by: `x-${name}`, meta: name })),
      'lanes: 5 entries (expected: at most 4)',
    ],
    ['no dimension', [], 'lanes: [] (expected: at least 1 of them)'],
    ['a text', 'x-lane', 'lanes: "x-lane" (expected: an object or a list)'],
    [
      'a key that nobody knows',
      { by: 'x-lane', fallbck: 'stable' },
      'lanes.fallbck: "stable" (expected: a known key; did you mean fallback?)',
    ],
    [
      'a word of others',
      { by: 'x-lane', header: 'x-lane' },
      'lanes.header: "x-lane" (expected: a known key; here labels: a key of the call metadata and its matcher; in lanes here by: a label)',
    ],
  ])('may not have %s', (_, lanes, message) => expect(problemsOf(lanes)).toContain(message));

  it('answers people who come with another word for the key', () => {
    const { problems } = validatePolicy(
      { schema: 1, service: 'payments', swimlane: { by: 'x' } },
      { service: 'payments' },
    );
    expect(problems[0]?.message).toContain('here lanes: { by: LABEL }');
  });

  it('warn of what leads nowhere', () => {
    expect(warningsOf({ by: 'x-lane' }, { stable: { tags: ['stable'] }, blue: { meta: { lane: 'blue' } } })).toEqual([
      expect.stringMatching(/^subsets\.blue\.meta\.lane: "blue" \(expected: lanes: include beside it/),
    ]);
    expect(warningsOf({ by: 'x-lane' }, { stable: { tags: ['stable'] }, blue: { tags: ['lane=blue'] } })).toHaveLength(
      1,
    );
    const included = { stable: { tags: ['stable'] }, blue: { meta: { lane: 'blue' }, lanes: 'include' } };
    expect(warningsOf({ by: 'x-lane' }, included)).toEqual([]);
    expect(warningsOf(undefined, included)).toEqual([
      'subsets.blue.lanes: "include" (expected: lanes beside the subsets)',
    ]);
    expect(warningsOf({ by: 'x-lane', strict: true, fallback: 'stable' })).toHaveLength(1);
  });
});
