import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../../src/policy/compile';
import { explainRouting } from '../../../../src/policy/routing/explain';
import { labelsOf } from '../../../../src/policy/routing/labels';
import { validatePolicy } from '../../../../src/policy/validate';

const withRoute = (route: object): object => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] } },
  routes: [{ name: 'r', to: 'stable', ...route }],
});

const problemsOf = (document: unknown): readonly string[] =>
  validatePolicy(document, { service: 'payments' }).problems.map(({ message }) => message);

const OF_THE_CONNECTION = 'a header of a call; HTTP/2 forbids those of a connection';
const OF_THE_TRANSPORT = 'a header of your own; this one belongs to the transport';
const SECRET = 'a key that holds no credentials; a policy is no place for secrets';

describe('header changes of a route', () => {
  it.each(['requestHeaders', 'responseHeaders'])('%s: takes what is sound', (of) => {
    const changes = { set: { 'X-Lane': 'blue' }, add: { via: 'graylane' }, remove: ['x-debug'] };
    expect(problemsOf(withRoute({ [of]: changes }))).toEqual([]);
  });

  const keys: readonly (readonly [string, string])[] = [
    ...['connection', 'Keep-Alive', 'Upgrade', 'proxy-connection', 'HTTP2-Settings', 'TE', 'transfer-encoding'].map(
      (key) => [key, OF_THE_CONNECTION] as const,
    ),
    ...['host', 'content-type', 'Content-Length', 'user-agent', 'trailer'].map(
      (key) => [key, OF_THE_TRANSPORT] as const,
    ),
    ...['Authorization', 'cookie', 'set-cookie'].map((key) => [key, SECRET] as const),
    ['x-token-bin', 'a key of text; a policy does not change binary metadata (-bin)'],
    ['grpc-timeout', 'a key of your own; grpc- belongs to the protocol'],
    [':path', 'a header; those with a colon are set by HTTP/2'],
    ['x lane', 'a metadata key: letters, digits, _ . -'],
    ['', 'a metadata key: letters, digits, _ . -'],
  ];

  it.each(keys)('refuses the key %j wherever it stands', (key, expected) => {
    const shown = /^[A-Za-z_][\w-]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    for (const of of ['requestHeaders', 'responseHeaders']) {
      for (const how of ['set', 'add']) {
        expect(problemsOf(withRoute({ [of]: { [how]: { [key]: 'v' } } }))).toEqual([
          `routes[0].${of}.${how}${shown}: this key (expected: ${expected})`,
        ]);
      }
      if (key === '') continue;
      expect(problemsOf(withRoute({ [of]: { remove: [key] } }))).toEqual([
        `routes[0].${of}.remove[0]: ${JSON.stringify(key)} (expected: ${expected})`,
      ]);
    }
  });

  it.each<[string, object, string]>([
    [
      'a line break',
      { set: { 'x-a': 'a\nb' } },
      'set.x-a: "a\\nb" (expected: printable ASCII, at most 1024 characters)',
    ],
    ['no ASCII', { add: { 'x-a': 'ü' } }, 'add.x-a: "ü" (expected: printable ASCII, at most 1024 characters)'],
    ['a number', { set: { 'x-a': 1 } }, 'set.x-a: 1 (expected: a text; put it in quotes)'],
    [
      'a key twice',
      { set: { 'x-a': '1' }, remove: ['X-A'] },
      'remove[0]: given twice (expected: each key once in set, add and remove)',
    ],
    ['an unknown key', { delete: ['x-a'] }, 'delete: ["x-a"] (expected: a known key: set, add, remove)'],
    [
      'a second value where HTTP/2 takes one',
      { add: { etag: 'a' } },
      'add.etag: this key (expected: set; HTTP/2 lets it have one value)',
    ],
    ['no change at all', { set: {} }, 'set: {} (expected: at least 1 of them)'],
  ])('refuses %s', (_, changes, expected) => {
    expect(problemsOf(withRoute({ requestHeaders: changes }))).toEqual([`routes[0].requestHeaders.${expected}`]);
  });

  it('refuses long values and long lists', () => {
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x-${index}`, 'v']));
    expect(problemsOf(withRoute({ requestHeaders: { set: { 'x-a': 'v'.repeat(1_025) } } }))).toHaveLength(1);
    expect(problemsOf(withRoute({ requestHeaders: { set: many } }))).toHaveLength(1);
    expect(problemsOf(withRoute({ requestHeaders: { remove: Object.keys(many) } }))).toHaveLength(1);
  });

  it('says who brings header changes from elsewhere where they stand', () => {
    expect(problemsOf(withRoute({ request_headers_to_add: [] }))[0]).toMatch('requestHeaders: { set, add, remove }');
  });

  it('is explained', () => {
    const content = withRoute({
      requestHeaders: { set: { 'X-Lane': 'blue' }, add: { via: 'g' }, remove: ['x-debug'] },
      responseHeaders: { set: { 'x-served': 'r' } },
    });
    const plan = compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
    const env = { random: () => 0, clock: { wallNow: () => 0 } as never };
    const input = { method: '/a.B/C', labels: labelsOf({}), force: undefined, stickyKey: undefined };
    expect(explainRouting(plan, input, env).decision).toMatchObject({
      requestHeaders: ['remove x-debug', 'add via: g', 'set x-lane: blue'],
      responseHeaders: ['set x-served: r'],
    });
  });
});
