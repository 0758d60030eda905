import { describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

interface Changed {
  readonly service: string;
  readonly datacenter: string;
  readonly outcome: string;
  readonly reason?: string;
}

interface Listed {
  readonly service: string;
  readonly datacenter: string;
  readonly inForce: boolean;
  readonly remainingMs: number;
  readonly override: {
    readonly to?: string;
    readonly datacenter?: string;
    readonly until: string;
    readonly by: string;
  };
}

const world = commandWorld();

async function apply(service: string, change: object = {}, dc = 'dc1'): Promise<void> {
  const file = world.file(`${service}.json`, policyOf(service, 5, change));
  const { code, stderr } = await world.run(['policy', 'apply', file, '-m', 'begin', '--dc', dc]);
  if (code !== 0) throw new Error(stderr);
}

async function overrideOf(service: string, datacenter = 'dc1'): Promise<Record<string, unknown> | undefined> {
  return JSON.parse((await world.kv(`graylane/policies/${service}`, datacenter)) ?? '{}').override;
}

describe('graylane override', () => {
  it('is set for a while, listed and cleared, and leaves the rest of the policy alone', async () => {
    await apply('switched');
    const before = Date.now();
    const set = await world.run(['override', 'set', '--to', 'stable', 'switched', '--ttl', '30m', '-m', 'incident 42']);
    expect([set.code, set.stdout]).toEqual([
      0,
      expect.stringMatching(/^written switched in local: to stable until .*, number 2\n$/),
    ]);
    const override = await overrideOf('switched');
    expect(override).toMatchObject({ to: 'stable', reason: 'incident 42', by: expect.stringContaining('@') });
    const lastsMs = Date.parse(String(override?.['until'])) - before;
    expect(lastsMs).toBeGreaterThanOrEqual(30 * 60_000);
    expect(lastsMs).toBeLessThan(30 * 60_000 + 20_000);

    const { json } = await world.runJson<readonly Listed[]>(['override', 'list']);
    expect(json.filter(({ service }) => service === 'switched')).toMatchObject([
      { inForce: true, override: { to: 'stable' } },
    ]);

    const cleared = await world.run(['override', 'clear', 'switched']);
    expect([cleared.code, cleared.stdout]).toEqual([0, 'written switched in local: no override, number 3\n']);
    expect(JSON.parse((await world.kv('graylane/policies/switched')) ?? '')).toEqual(policyOf('switched', 5));
    const again = await world.run(['override', 'clear', 'switched']);
    expect([again.code, again.stdout]).toEqual([0, 'unchanged switched in local: no override\n']);
    expect((await world.run(['policy', 'log', 'switched', '--verify'])).code).toBe(0);
  });

  it('takes every service of every datacenter at once, and says which did not take it', async () => {
    await apply('one', {}, 'dc1,dc2');
    await apply('two', { subsets: { blue: { tags: ['stable'] } }, default: 'blue', routes: [] }, 'dc2');
    const set = await world.runJson<readonly Changed[]>([
      ...[
        'override',
        'set',
        '--to',
        'stable',
        '--datacenter',
        'dc1',
        '--all',
        '--ttl',
        '2h',
        '-m',
        'dc2 is down',
        '--dc',
        'dc2',
      ],
    ]);
    expect(set.code).toBe(1);
    expect(set.json).toMatchObject([
      { service: 'one', datacenter: 'dc2', outcome: 'written' },
      { service: 'two', datacenter: 'dc2', outcome: 'refused' },
    ]);
    expect(set.stderr).toBe('graylane: two in dc2: not written: override.to: "stable" (expected: one of blue)\n');
    expect(await overrideOf('one', 'dc2')).toMatchObject({ to: 'stable', datacenter: 'dc1' });
    expect(await overrideOf('two', 'dc2')).toBeUndefined();
    expect(await overrideOf('one', 'dc1')).toBeUndefined();
  });

  it('outlives apply and rollback, which say so, until it is cleared', async () => {
    await apply('incident');
    await world.run(['override', 'set', '--to', 'stable', 'incident', '--ttl', '30m', '-m', 'incident 42']);
    const override = await overrideOf('incident');
    const file = world.file('incident.json', policyOf('incident', 6));
    const applied = await world.run(['policy', 'apply', file, '-m', 'by CI']);
    expect([applied.code, applied.stderr]).toEqual([
      0,
      expect.stringContaining('graylane override clear incident ends it'),
    ]);
    expect(JSON.parse((await world.kv('graylane/policies/incident')) ?? '')).toEqual({
      ...policyOf('incident', 6),
      override,
    });
    expect((await world.run(['policy', 'diff', file])).code).toBe(0);
    await world.run(['policy', 'rollback', '1', 'incident']);
    expect(JSON.parse((await world.kv('graylane/policies/incident')) ?? '')).toEqual({
      ...policyOf('incident', 5),
      override,
    });

    const without = world.file(
      'incident.json',
      policyOf('incident', 5, { subsets: { canary: {} }, default: 'canary', routes: [] }),
    );
    const refused = await world.run(['policy', 'apply', without, '-m', 'no stable any more']);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('override.to: "stable" (expected: one of canary)'),
    ]);
    await world.run(['override', 'clear', 'incident']);
    expect(JSON.parse((await world.kv('graylane/policies/incident')) ?? '')).toEqual(policyOf('incident', 5));
  });

  it('loses to nobody: twelve changes at once are twelve entries, and the other commands are all still there', async () => {
    await apply('busy');
    const reasons = Array.from({ length: 12 }, (_, index) => `reason ${index}`);
    const ended = await Promise.all(
      reasons.map((reason) => world.run(['override', 'set', '--to', 'stable', 'busy', '--ttl', '5m', '-m', reason])),
    );
    expect(ended.map(({ code }) => code)).toEqual(reasons.map(() => 0));
    const { json } = await world.runJson<
      readonly { entries: readonly { message: string }[]; problems: readonly unknown[] }[]
    >([...['policy', 'log', 'busy', '--verify']]);
    expect(json[0]?.problems).toEqual([]);
    const messages = json[0]?.entries.map(({ message }) => message) ?? [];
    expect(messages.sort()).toEqual([...reasons, 'begin'].sort());
  });

  it.each([
    [['--to', 'stable', '--ttl', '30m', '-m', 'x'], 'services: none (expected: at least one, or --all)'],
    [['p', '--all', '--to', 'stable', '--ttl', '30m', '-m', 'x'], '--all: given beside p'],
    [['p', '--ttl', '30m', '-m', 'x'], '--to, --datacenter, --peer: missing'],
    [['p', '--to', 'stable', '--ttl', '30', '-m', 'x'], '(expected: 90s, 30m, 2h or 1d, at most 30d)'],
    [['p', '--to', 'stable', '--ttl', '31d', '-m', 'x'], '(expected: 90s, 30m, 2h or 1d, at most 30d)'],
    [['p', '--to', 'stable', '-m', 'x'], '--ttl: missing (expected: --ttl <duration>)'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr, stdout } = await world.run(['override', 'set', ...args]);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)]);
  });

  it('refuses a service without a policy, and one whose policy is not valid', async () => {
    const none = await world.run(['override', 'set', '--to', 'stable', 'nobody', '--ttl', '5m', '-m', 'x']);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringContaining('nobody in local: not written: it has no policy'),
    ]);
    expect(await world.kv('graylane/policies/nobody')).toBeUndefined();
    await world.consul.dc('dc1').putKv('graylane/policies/broken', '{"schema":1}');
    const broken = await world.run(['override', 'set', '--to', 'stable', 'broken', '--ttl', '5m', '-m', 'x']);
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining('the policy in Consul is not valid')]);
    expect(await world.kv('graylane/policies/broken')).toBe('{"schema":1}');
  });
});
