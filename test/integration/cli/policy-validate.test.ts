import { describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

interface Judged {
  readonly file: string;
  readonly service?: string;
  readonly valid: boolean;
  readonly problems: readonly { readonly path: string; readonly line?: number; readonly column?: number }[];
  readonly warnings: readonly { readonly path: string; readonly message: string; readonly line?: number }[];
}

const world = commandWorld();

describe('graylane policy validate', () => {
  it('tells every problem of every file, and warnings without failing for them', async () => {
    const good = world.file('good.yaml', policyOf('payments'));
    const bad = world.file('bad.yaml', 'schema: 1\nservice: 7\nroutes:\n  - name: a\n    too: b\n');
    const { code, stdout } = await world.run(['policy', 'validate', good, bad]);
    expect(code).toBe(1);
    expect(stdout.split('\n')).toEqual([
      `ok ${good}`,
      expect.stringMatching(new RegExp(`^error ${bad}:2:1 service: 7 `)),
      expect.stringMatching(new RegExp(`^error ${bad}:4:5 routes\\[0\\]: neither to nor split`)),
      expect.stringMatching(new RegExp(`^error ${bad}:5:5 routes\\[0\\]\\.too: "b" .*did you mean to\\?`)),
      '',
    ]);
    const unreachable = policyOf('payments', 5, {
      routes: [
        { name: 'all', match: { labels: { 'x-a': 'b' } }, to: 'stable' },
        { name: 'never', match: { labels: { 'x-a': 'b', 'x-c': 'd' } }, to: 'canary' },
      ],
    });
    const warned = await world.runJson<readonly Judged[]>(['policy', 'validate', world.file('w.yaml', unreachable)]);
    expect([warned.code, warned.json[0]?.valid, warned.json[0]?.warnings.map(({ path }) => path)]).toEqual([
      0,
      true,
      ['routes[1]'],
    ]);
  });

  it('holds files to a service', async () => {
    const file = world.file('s.yaml', policyOf('payments'));
    const { code, stdout } = await world.run(['policy', 'validate', file, '--service', 'orders']);
    expect([code, stdout]).toEqual([1, expect.stringContaining('service: "payments" (expected: orders')]);
  });

  it('with --consul tells of subsets that have no instances, by datacenter', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: 'seen', id: 's', address: '127.0.0.1', port: 7001, tags: ['stable'] });
    await dc1.register({
      name: 'seen',
      id: 'c',
      address: '127.0.0.1',
      port: 7002,
      tags: ['canary'],
      status: 'critical',
    });
    await world.consul
      .dc('dc2')
      .register({ name: 'seen', id: 'c', address: '127.0.0.1', port: 7002, tags: ['canary'] });
    const yaml =
      'schema: 1\nservice: seen\nsubsets:\n  stable: { tags: [stable] }\n  canary: { tags: [canary] }\ndefault: stable\n';
    const file = world.file('seen.yaml', yaml);
    const here = await world.run(['policy', 'validate', file, '--consul']);
    expect([here.code, here.stdout]).toEqual([
      0,
      `warning ${file}:5:3 subsets.canary: in local, canary: none of its 1 instance is usable (critical in Consul) (expected: at least one)\nok ${file}\n`,
    ]);
    const everywhere = await world.run(['policy', 'validate', file, '--consul', dc1.address, '--dc', 'all']);
    const lost = 'for clients that look in dc2 alone, calls of the default would fail: stable: none of 1 instance';
    expect([everywhere.code, ...everywhere.stdout.split('\n').slice(0, 2)]).toEqual([
      1,
      expect.stringContaining(`default: in dc2, ${lost} has tag stable (tags there: canary 1)`),
      expect.stringContaining('subsets.canary: in dc1, canary: none of its 1 instance is usable'),
    ]);
    const nowhere = await world.run(['policy', 'validate', file, '--consul', '127.0.0.1:1']);
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('ECONNREFUSED')]);
  });
});
