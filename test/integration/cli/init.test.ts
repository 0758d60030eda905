import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Instance } from '../../../src/base/instances';
import { policyText } from '../../../src/cli/init/first-policy';
import type { PolicyDocument } from '../../../src/index';
import { validatePolicy } from '../../../src/policy/validate';
import { commandWorld } from './two-datacenters';

interface Listed {
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly status?: Instance['status'];
}

function instancesOf(...listed: readonly (readonly [count: number, Listed])[]): readonly Instance[] {
  const each = listed.flatMap(([count, one]) => Array.from({ length: count }, () => one));
  return each.map(({ tags = [], meta = {}, status = 'passing' }, at) => ({
    key: `dc1/n${at}/p${at}`,
    id: `p${at}`,
    node: `n${at}`,
    datacenter: 'dc1',
    zone: undefined,
    address: '10.0.0.1',
    port: 7000 + at,
    tags,
    meta: { 'started-at': `2026-11-0${(at % 9) + 1}T00:00:00Z`, pod: `p-${at}`, ...meta },
    status,
    weight: 1,
  }));
}

const tagged = (count: number, ...tags: string[]) => [count, { tags }] as const;
const meta = (count: number, values: Readonly<Record<string, string>>) => [count, { meta: values }] as const;

type Proposed = readonly [base: string | undefined, subsets: object | undefined, weights: object | undefined];

/** What people register, what is proposed: the default, then selector and weight of each subset. Undefined: no subsets. */
const REGISTRIES: readonly (readonly [string, readonly Instance[], ...Proposed])[] = [
  [
    'stable and canary',
    instancesOf(tagged(9, 'stable', 'grpc'), tagged(1, 'canary', 'grpc')),
    'stable',
    { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    { stable: 90, canary: 10 },
  ],
  [
    'only the canary has a tag',
    instancesOf(tagged(3, 'grpc'), tagged(1, 'canary')),
    'stable',
    { stable: { filter: '"canary" not in Service.Tags' }, canary: { tags: ['canary'], fallback: 'stable' } },
    { stable: 75, canary: 25 },
  ],
  [
    'blue and green',
    instancesOf(tagged(2, 'green'), tagged(2, 'blue')),
    'blue',
    { blue: { tags: ['blue'] }, green: { tags: ['green'], fallback: 'blue' } },
    { blue: 50, green: 50 },
  ],
  [
    'a role in meta',
    instancesOf(meta(4, { track: 'a' }), meta(1, { track: 'b' })),
    'a',
    { a: { meta: { track: 'a' } }, b: { meta: { track: 'b' }, fallback: 'a' } },
    { a: 80, b: 20 },
  ],
  [
    'two versions in meta',
    instancesOf(meta(1, { version: '1.10.0' }), meta(3, { version: '1.9.2' })),
    'stable',
    { stable: { meta: { version: '1.9.2' } }, canary: { meta: { version: '1.10.0' }, fallback: 'stable' } },
    { stable: 75, canary: 25 },
  ],
  [
    'as many of each version: the lower is stable',
    instancesOf(meta(2, { version: '1.10.0' }), meta(2, { version: '1.9.0' })),
    'stable',
    { stable: { meta: { version: '1.9.0' } }, canary: { meta: { version: '1.10.0' }, fallback: 'stable' } },
    { stable: 50, canary: 50 },
  ],
  [
    'versions as tags',
    instancesOf(tagged(3, 'v1'), tagged(1, 'v2')),
    'stable',
    { stable: { tags: ['v1'] }, canary: { tags: ['v2'], fallback: 'stable' } },
    { stable: 75, canary: 25 },
  ],
  [
    'key=value tags',
    instancesOf(tagged(3, 'track=stable', 'az=1'), tagged(1, 'track=canary', 'az=2')),
    'stable',
    { stable: { tags: ['track=stable'] }, canary: { tags: ['track=canary'], fallback: 'stable' } },
    { stable: 75, canary: 25 },
  ],
  [
    'role before version',
    instancesOf(meta(2, { version: '1', stage: 'canary' }), meta(2, { version: '2', stage: 'prod' })),
    'prod',
    { prod: { meta: { stage: 'prod' } }, canary: { meta: { stage: 'canary' }, fallback: 'prod' } },
    { prod: 50, canary: 50 },
  ],
  [
    'a canary that is ill gets no share',
    instancesOf(tagged(3, 'stable'), [1, { tags: ['canary'], status: 'critical' }]),
    'stable',
    { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    { stable: 100, canary: 0 },
  ],
  ['zones tell nothing', instancesOf(meta(2, { zone: 'a' }), meta(2, { zone: 'b' })), undefined, undefined, undefined],
  [
    'shards tell nothing',
    instancesOf(...[0, 1, 2].map((shard) => tagged(1, `shard=${shard}`))),
    undefined,
    undefined,
    undefined,
  ],
  ['pods and start times tell nothing', instancesOf(tagged(2)), undefined, undefined, undefined],
  [
    'all the same',
    instancesOf([3, { tags: ['grpc', 'v1'], meta: { version: '1.0.0' } }]),
    undefined,
    undefined,
    undefined,
  ],
  ['both tags on one instance', instancesOf(tagged(2, 'stable', 'canary')), undefined, undefined, undefined],
];

describe('a first policy', () => {
  it.each(REGISTRIES)('%s', (_, instances, base, subsets, weights) => {
    const text = policyText('payments', instances);
    const document = parse(text) as PolicyDocument;
    expect(validatePolicy(document, { service: 'payments' })).toMatchObject({ problems: [], warnings: [] });
    expect(document.default).toBe(base);
    expect(document.subsets).toEqual(subsets);
    const split = document.routes?.find(({ name }) => name === 'everyone')?.split;
    expect(split && Object.fromEntries(split.map(({ to, weight }) => [to, weight]))).toEqual(weights);
  });
});

describe('graylane init', () => {
  const world = commandWorld({ datacenters: ['dc1'] });
  const register = async (name: string, id: string, port: number, tags: readonly string[]) =>
    world.consul.dc('dc1').register({ name, id, address: '127.0.0.1', port, tags: [...tags] });

  it('writes what validate, apply and weight take, and moves no load by itself', async () => {
    for (const at of [1, 2, 3]) await register('payments', `p${at}`, 7100 + at, ['grpc']);
    await register('payments', 'p4', 7104, ['grpc', 'canary']);
    const file = world.file('payments.yaml', '').replace('payments.yaml', 'first.yaml');
    expect(await world.run(['init', 'payments', '-o', file])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^next: /),
    });
    expect(readFileSync(file, 'utf8')).toContain('# Parted by tags: stable has 3 instances, canary has 1 instance.');
    const valid = await world.run(['policy', 'validate', file, '--consul']);
    expect(valid).toMatchObject({ code: 0, stdout: `ok ${file}\n` });
    expect((await world.run(['policy', 'apply', file, '-m', 'first'])).code).toBe(0);
    const { stdout } = await world.run(['instances', 'payments']);
    expect(stdout).toMatch(/ stable +p1 /);
    expect(stdout).toMatch(/ canary +p4 /);
    expect((await world.run(['weight', 'payments', 'canary', '5', '-m', 'less'])).code).toBe(0);
    const again = await world.run(['init', 'payments', '-o', file]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('EEXIST (expected: a new file')]);
  });

  it('prints it, says why where nothing parts the instances, and names what was meant', async () => {
    await register('orders', 'o1', 7201, ['grpc']);
    const none = await world.run(['init', 'orders']);
    expect([none.code, none.stdout]).toEqual([0, expect.stringMatching(/^# Nothing parts the 1 instance of orders/)]);
    const { json } = await world.runJson<PolicyDocument>(['init', 'payments', '--label', 'x-lane']);
    expect(json.routes?.[0]).toEqual({
      name: 'canary-by-label',
      match: { labels: { 'x-lane': 'canary' } },
      to: 'canary',
    });
    const typo = await world.run(['init', 'order']);
    expect([typo.code, typo.stderr]).toEqual([
      1,
      expect.stringMatching(/lists no instance of order .*did you mean orders\?/),
    ]);
  });
});
