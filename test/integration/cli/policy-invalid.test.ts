import { describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

interface Invalid {
  readonly outcome: string;
  readonly problems: readonly { readonly path: string; readonly line?: number; readonly column?: number }[];
}

const SERVICE = 'invalid';
const world = commandWorld({ datacenters: ['dc1'] });

const sound = (change: object = {}): object => policyOf(SERVICE, 5, change);
const route = (change: object): object => sound({ routes: [{ name: 'r', to: 'stable', ...change }] });
const split = (...entries: unknown[]): object => sound({ routes: [{ name: 'r', split: entries }] });
const label = (matcher: unknown): object => route({ match: { labels: { 'x-a': matcher } } });
const text = JSON.stringify;
const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) });

/** What is wrong, the document as text, and the path of the first problem. */
const documents: readonly (readonly [what: string, text: string | Buffer, path: string])[] = [
  ['blank', '', ''],
  ['white space', ' \n\t', ''],
  ['null', 'null', ''],
  ['a list', '[]', ''],
  ['a text', '"policy"', ''],
  ['cut short', text(sound()).slice(0, -20), ''],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), ''],
  ['257 KiB', text(sound({ $schema: 'x'.repeat(257 * 1024) })), ''],
  ['nested too deep', text({ ...sound(), routes: [deep(20)] }), 'routes[0].a.a.a.a.a.a.a.a.a.a.a.a.a.a'],
  ['a key given twice', '{"schema":1,"schema":1,"service":"invalid"}', 'schema'],
  ['__proto__', '{"schema":1,"service":"invalid","__proto__":{"a":1}}', '__proto__'],
  ['no schema', text({ service: SERVICE }), 'schema'],
  ['a future schema', text(sound({ schema: 2 })), 'schema'],
  ['schema as text', text(sound({ schema: '1' })), 'schema'],
  ['an SDK of the future', text(sound({ minSdk: '99.0.0' })), 'minSdk'],
  ['no service', text({ schema: 1 }), 'service'],
  ['a service that is a number', text(sound({ service: 7 })), 'service'],
  ['an unknown key', text(sound({ defualt: 'stable' })), 'defualt'],
  ['no default', text(sound({ default: undefined })), 'default'],
  ['an unknown default', text(sound({ default: 'blue' })), 'default'],
  ['a subset name with a space', text(sound({ subsets: { 'a b': {} }, default: 'a b', routes: [] })), 'subsets["a b"]'],
  [
    'an unknown fallback',
    text(sound({ subsets: { stable: { fallback: 'x' } }, routes: [] })),
    'subsets.stable.fallback',
  ],
  [
    'fallbacks in a circle',
    text(sound({ subsets: { stable: { fallback: 'canary' }, canary: { fallback: 'stable' } } })),
    'subsets.stable.fallback',
  ],
  ['tags that are no list', text(sound({ subsets: { stable: { tags: 'x' } }, routes: [] })), 'subsets.stable.tags'],
  ['a route without a name', text(sound({ routes: [{ to: 'stable' }] })), 'routes[0].name'],
  ['neither to nor split', text(sound({ routes: [{ name: 'r' }] })), 'routes[0]'],
  ['both to and split', text(route({ split: [{ to: 'stable', weight: 1 }] })), 'routes[0]'],
  ['an unknown subset', text(route({ to: 'canray' })), 'routes[0].to'],
  [
    'a name twice',
    text(
      sound({
        routes: [
          { name: 'r', to: 'stable' },
          { name: 'r', to: 'canary' },
        ],
      }),
    ),
    'routes[1].name',
  ],
  ['an empty split', text(split()), 'routes[0].split'],
  ['a negative weight', text(split({ to: 'stable', weight: -1 })), 'routes[0].split[0].weight'],
  ['a weight as text', text(split({ to: 'stable', weight: '5' })), 'routes[0].split[0].weight'],
  ['a weight that is null', text(split({ to: 'stable', weight: null })), 'routes[0].split[0].weight'],
  [
    'a weight beyond numbers',
    '{"schema":1,"service":"invalid","subsets":{"stable":{}},"routes":[{"name":"r","split":[{"to":"stable","weight":1e999}]}]}',
    'routes[0].split[0].weight',
  ],
  ['all weights 0', text(split({ to: 'stable', weight: 0 }, { to: 'canary', weight: 0 })), 'routes[0].split'],
  ['a subset twice', text(split({ to: 'stable', weight: 1 }, { to: 'stable', weight: 1 })), 'routes[0].split[1].to'],
  ['a method without slash', text(route({ match: { methods: ['Charge'] } })), 'routes[0].match.methods[0]'],
  [
    'a label of the protocol',
    text(route({ match: { labels: { 'grpc-timeout': 'x' } } })),
    'routes[0].match.labels.grpc-timeout',
  ],
  ['a lookahead', text(label({ regex: '(?=a)b' })), 'routes[0].match.labels.x-a.regex'],
  ['a backreference', text(label({ regex: '(a)\\1' })), 'routes[0].match.labels.x-a.regex'],
  ['a range upside down', text(label({ range: [5, 5] })), 'routes[0].match.labels.x-a.range'],
  ['no address block', text(label({ cidr: '10.0.0.0/33' })), 'routes[0].match.labels.x-a.cidr'],
  ['a matcher that is true', text(label(true)), 'routes[0].match.labels.x-a'],
  ['a matcher without condition', text(label({ ignoreCase: true })), 'routes[0].match.labels.x-a'],
  ['101 %', text(route({ match: { sample: { by: 'x-a', percent: 101 } } })), 'routes[0].match.sample.percent'],
  ['credentials to stick by', text(route({ stickBy: 'authorization' })), 'routes[0].stickBy'],
  ['a timeout of 0', text(route({ timeoutMs: 0 })), 'routes[0].timeoutMs'],
  ['another mesh its retries', text(route({ retry: { numRetries: 3 } })), 'routes[0].retry.numRetries'],
  ['an unknown algorithm', text(sound({ balancing: { algorithm: 'maglev' } })), 'balancing.algorithm'],
  ['an override that never ends', text(sound({ override: { to: 'stable' } })), 'override.until'],
];

describe('graylane policy apply, of what is not valid', { timeout: 120_000 }, () => {
  it('refuses fifty documents, each with the path of what is wrong, and writes nothing', async () => {
    expect(documents).toHaveLength(50);
    const refuse = async ([what, content, path]: (typeof documents)[number], index: number): Promise<unknown[]> => {
      const file = world.file(`${index}.json`, content);
      const { code, json, stderr } = await world.runJson<readonly Invalid[]>(['policy', 'apply', file, '-m', what]);
      const [only] = json;
      const told = /refused, \d+ problems?; nothing was written; mend it/.test(stderr);
      return [
        what,
        code,
        only?.outcome,
        only?.problems.some((problem) => problem.path === path) ? path : only?.problems,
        told,
      ];
    };
    const queue = [...documents.entries()];
    const found: unknown[][] = [];
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        found[next[0]] = await refuse(next[1], next[0]);
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(found).toEqual(documents.map(([what, , path]) => [what, 1, 'invalid', path, true]));
    const keys = await world.consul.dc('dc1').request('GET', '/v1/kv/?keys');
    expect(await keys.json()).toEqual([]);
  });

  it('tells line and column of YAML and of JSON, on standard error one line each', async () => {
    const yaml = world.file(
      'p.yaml',
      'schema: 1\nservice: p\nsubsets:\n  stable: {}\nroutes:\n  - name: r\n    split:\n      - to: stable\n        weight: -1\n',
    );
    const refused = await world.run(['policy', 'apply', yaml, '-m', 'x']);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toBe(
      `error ${yaml}:9:9 routes[0].split[0].weight: -1 (expected: >= 0)\n` +
        `graylane: ${yaml}: refused, 1 problem; nothing was written; mend it and run graylane policy validate ${yaml}\n`,
    );
    const json = world.file('p.json', '{\n  "schema": 1,\n  "service": "p",\n  "timeoutMs": 0\n}\n');
    const validated = await world.run(['policy', 'validate', json]);
    expect([validated.code, validated.stdout]).toEqual([1, `error ${json}:4:3 timeoutMs: 0 (expected: > 0)\n`]);
  });
});
