import { describe, expect, it } from 'vitest';
import { runHere } from './in-process';
import { commandWorld } from './two-datacenters';

interface Listed {
  readonly lane: string;
  readonly by: readonly string[];
  readonly services: readonly { readonly service: string; readonly instances: number; readonly usable: number }[];
  readonly fallback: readonly { readonly service: string; readonly to: string }[];
  readonly ends: string | null;
  readonly endedIn: readonly string[];
}

const world = commandWorld();

const run = (...args: readonly string[]): ReturnType<typeof runHere> =>
  runHere(args, { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address });

async function runJson<T>(...args: readonly string[]): Promise<T> {
  const { stdout, stderr } = await run(...args, '--json');
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

let port = 7_000;

async function register(service: string, id: string, lane?: string): Promise<void> {
  port += 1;
  const meta = lane === undefined ? {} : { meta: { lane } };
  await world.consul.dc('dc1').register({ name: service, id, address: '127.0.0.1', port, tags: ['stable'], ...meta });
}

const policyOf = (service: string, more: object = {}): object => ({
  schema: 1,
  service,
  subsets: { stable: { tags: ['stable'] } },
  ...more,
});

/** Writes a policy past all checks. */
async function put(service: string, more: object = {}): Promise<void> {
  await world.consul
    .dc('dc1')
    .request('PUT', `/v1/kv/graylane/policies/${service}`, JSON.stringify(policyOf(service, more)));
}

async function stored(service: string): Promise<{ readonly lanes?: { readonly by: string; readonly ends?: object } }> {
  return JSON.parse((await world.kv(`graylane/policies/${service}`)) ?? '{}');
}

describe('graylane lane', () => {
  it('creates a lane over services, lists it, ends it and removes its end', async () => {
    await register('orders', 'orders-1');
    await register('orders', 'orders-pr', 'pr-42');
    await register('payments', 'payments-1');
    await put('orders');
    await put('payments', { lanes: { by: 'x-lane', fallback: 'stable' } });
    const created = await run('lane', 'create', 'pr-42', '--services', 'orders,payments', '--ttl', '3d');
    expect([created.code, created.stderr]).toEqual([0, '']);
    const after = await stored('orders');
    expect(after).toEqual(policyOf('orders', { lanes: { by: 'x-lane', ends: { 'pr-42': expect.any(String) } } }));
    expect(await stored('payments')).toMatchObject({
      lanes: { fallback: 'stable', ends: { 'pr-42': expect.any(String) } },
    });
    const { json: log } = { json: await runJson<readonly { message: string }[]>('policy', 'log', 'orders') };
    expect(JSON.stringify(log)).toContain('lane pr-42 until ');

    const [listed, ...others] = await runJson<readonly Listed[]>('lane', 'list');
    expect(others).toEqual([]);
    expect(listed).toMatchObject({ lane: 'pr-42', by: ['x-lane'], endedIn: [] });
    expect(listed?.services).toMatchObject([{ service: 'orders', instances: 1, usable: 1 }]);
    expect(listed?.fallback).toMatchObject([{ service: 'payments', to: 'stable' }]);
    expect((await run('lane', 'list')).stdout).toMatch(/pr-42 +x-lane +orders 1 of 1 +payments: stable +2/);

    expect((await run('lane', 'delete', 'pr-42')).code).toBe(0);
    const ended = (await runJson<readonly Listed[]>('lane', 'list')).at(0);
    expect(ended?.endedIn).toEqual(['orders', 'payments']);

    // Without its end the instance that is still there would be a lane again.
    const kept = await run('lane', 'delete', 'pr-42');
    expect(kept.stderr).toContain('orders: orders-pr still in lane pr-42: its end stays');
    expect(await stored('orders')).toMatchObject({ lanes: { ends: { 'pr-42': expect.any(String) } } });
    expect(await stored('payments')).toEqual(policyOf('payments', { lanes: { by: 'x-lane', fallback: 'stable' } }));
    await world.consul.dc('dc1').deregister('orders-pr');
    expect((await run('lane', 'delete', 'pr-42')).code).toBe(0);
    expect(await stored('orders')).toEqual(policyOf('orders', { lanes: { by: 'x-lane' } }));
    expect(await run('lane', 'delete', 'pr-42')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no policy gives lane pr-42 an end'),
    });
  });

  it('writes nothing at all where one service would lose its instances', async () => {
    await register('solo', 'solo-1', 'pr-7');
    await register('other', 'other-1');
    await put('solo');
    await put('other');
    const refused = await run('lane', 'create', 'pr-7', '--services', 'other,solo', '--ttl', '1h');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('are in lanes (meta lane), so in no subset');
    for (const service of ['solo', 'other']) expect(await stored(service)).toEqual(policyOf(service));
    expect(
      (await run('lane', 'create', 'pr-7', '--services', 'other,solo', '--ttl', '1h', '--dry-run', '--force')).code,
    ).toBe(0);
    expect(await stored('other')).toEqual(policyOf('other'));
  });

  it.each([
    [
      'a service without a policy',
      ['lane', 'create', 'a', '--services', 'nobody', '--ttl', '1h'],
      1,
      'nobody has no policy',
    ],
    ['no services', ['lane', 'create', 'a', '--services', ',', '--ttl', '1h'], 2, '--services: none'],
    ['a name with a space', ['lane', 'create', 'a b', '--services', 'x', '--ttl', '1h'], 2, 'visible ASCII'],
    [
      'a label of no dimension',
      ['lane', 'create', 'a', '--services', 'dims', '--ttl', '1h', '--by', 'x-z'],
      1,
      'x-lane, x-region',
    ],
    [
      'a label that no key may be',
      ['lane', 'create', 'a', '--services', 'plain', '--ttl', '1h', '--by', 'cookie'],
      1,
      'lanes.by',
    ],
  ])('refuses %s', async (_, args, code, message) => {
    await put('plain');
    await put('dims', { lanes: [{ by: 'x-lane' }, { by: 'x-region', meta: 'region' }] });
    const ended = await run(...args);
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});

describe('other commands', () => {
  it('know lanes: explain, doctor, simulate, policy test', async () => {
    await register('known', 'known-1');
    await register('known', 'known-pr', 'pr-1');
    await put('known', { lanes: { by: 'x-lane', ends: { 'pr-9': '2199-01-01T00:00:00Z' } } });
    const here = ['--consul', world.consul.dc('dc1').address];
    const asked = await run('explain', 'known', '--label', 'x-lane=pr-1', ...here);
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('-> lane pr-1 by lane lane') });
    expect((await run('explain', 'known', '--label', 'x-lane=pr-2', ...here)).stdout).toContain(
      'lane pr-2: no instance is in lane pr-2 (x-lane); lanes there: pr-1; did you mean pr-1?',
    );
    // By the instances that are registered, not by those that the policy ends.
    const simulated = await runJson<{ readonly subsets: readonly { readonly subset: string }[] }>(
      ...['simulate', 'known', '--policy', 'kv', '--calls', '1000', ...here],
    );
    expect(simulated.subsets.map(({ subset }) => subset).sort()).toEqual(['lane pr-1', 'stable']);
    const file = world.file(
      'known.json',
      policyOf('known', { lanes: { by: 'x-lane', ends: { 'pr-9': '2199-01-01T00:00:00Z' } } }),
    );
    const made = await runJson<typeof simulated>('simulate', file, '--calls', '1000');
    expect(made.subsets.map(({ subset }) => subset).sort()).toEqual(['lane pr-9', 'stable']);
    const cases = world.file('cases.json', [
      { labels: { 'x-lane': 'pr-9' }, subset: 'lane pr-9', route: 'lane' },
      { labels: { 'x-lane': 'pr-1' }, lanes: ['pr-1'], subset: 'lane pr-1' },
      { labels: { 'x-lane': 'pr-1' }, subset: 'stable' },
    ]);
    expect(await run('policy', 'test', file, cases)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('3 of 3 cases hold'),
    });
    await put('without', { lanes: { by: 'x-lane' } });
    await register('without', 'without-1');
    expect((await run('doctor', 'without', '--no-dial', ...here)).stdout).toContain(
      'the policy has lanes, and no instance has meta lane',
    );
    expect((await run('doctor', 'known', '--no-dial', ...here)).stdout).not.toContain('no instance has meta lane');
  });
});
