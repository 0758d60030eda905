import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld({ datacenters: ['dc1'] });
const closing = closeAfterEach();

interface Changed {
  readonly outcome: string;
  readonly reason?: string;
  readonly remarks?: readonly string[];
  readonly faults?: readonly Record<string, unknown>[];
}

async function apply(service: string, change: object = {}): Promise<void> {
  await world.consul.dc('dc1').putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 5, change)));
}

async function register(service: string, ...versions: string[]): Promise<void> {
  for (const version of versions) {
    const server = closing(await startPaymentsServer({ name: version, version }), (one) => one.kill());
    const id = `${service}-${version}`;
    await world.consul
      .dc('dc1')
      .register({ name: service, id, address: server.host, port: server.port, tags: [version] });
  }
}

const policyIn = async (service: string): Promise<Record<string, unknown>> =>
  JSON.parse((await world.kv(`graylane/policies/${service}`)) ?? '{}');

const START = ['--abort', 'unavailable', '--percent', '10', '--for', '10m', '-m', 'game day'];

describe('graylane drill', () => {
  it('starts, is listed and explained, and is stopped; the rest of the policy stays as it is', async () => {
    await register('drilled', 'stable', 'canary');
    await apply('drilled');
    const before = Date.now();
    const { code, stdout, stderr } = await world.run([
      ...['drill', 'start', 'drilled', '--label', 'x-gray=canary', '--in', 'canary', '--stop-above', '5'],
      ...START,
    ]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^written drilled in local: drill drill until .*: 10 % of attempts at canary fail with UNAVAILABLE, number 2\n$/,
      ),
    ]);
    expect(stderr).toMatch(
      /note drilled in local: fault drill: until .* fail with UNAVAILABLE, of calls with x-gray = canary/,
    );
    const { faults, ...rest } = await policyIn('drilled');
    expect(rest).toEqual(policyOf('drilled', 5));
    expect(faults).toMatchObject([
      {
        name: 'drill',
        match: { labels: { 'x-gray': 'canary' } },
        in: 'canary',
        abort: 'UNAVAILABLE',
        percent: 10,
        stopAbove: { failedPercentage: 5 },
        reason: 'game day',
        by: expect.stringContaining('@'),
      },
    ]);
    const lastsMs = Date.parse((faults as { until: string }[])[0]?.until ?? '') - before;
    expect(lastsMs).toBeGreaterThanOrEqual(600_000);
    expect(lastsMs).toBeLessThan(620_000);

    const listed = await world.runJson<readonly object[]>(['drill', 'list']);
    expect(listed.json).toMatchObject([{ service: 'drilled', name: 'drill', inForce: true, fault: { percent: 10 } }]);
    const explained = await world.run([...['explain', 'drilled', '--method', '/a.B/C', '--label', 'x-gray=canary']]);
    expect(explained.stdout).toMatch(
      /fault drill until .*: 10 % of attempts at canary fail with UNAVAILABLE; game day/,
    );
    const log = await world.runJson<{ readonly entries?: readonly object[] }>(['policy', 'log', 'drilled']);
    expect(JSON.stringify(log.json)).toMatch(/"kind":"drill"/);

    const twice = await world.run(['drill', 'start', 'drilled', ...START]);
    expect([twice.code, twice.stderr]).toEqual([
      1,
      expect.stringMatching(/a drill drill runs until .*; graylane drill stop/),
    ]);

    const stopped = await world.run(['drill', 'stop', 'drilled']);
    expect([stopped.code, stopped.stdout]).toEqual([0, 'written drilled in local: without drill, number 3\n']);
    expect(await policyIn('drilled')).toEqual(policyOf('drilled', 5));
    const again = await world.run(['drill', 'stop', 'drilled']);
    expect([again.code, again.stdout]).toEqual([0, 'unchanged drilled in local: no drill\n']);
  });

  it('hits what a route can lead to: a lane, a place, another service', async () => {
    await register('led', 'stable', 'canary');
    const routes = [{ name: 'v2', match: { labels: { 'x-v': '2' } }, to: { service: 'led-v2', subset: 'blue' } }];
    await apply('led', { routes, lanes: { by: 'x-lane' } });
    const planned = async (target: string): Promise<unknown> => {
      const { json } = await world.runJson<readonly Changed[]>([
        ...['drill', 'start', 'led', '--in', target, '--dry-run'],
        ...START,
      ]);
      return json[0]?.faults?.[0]?.['in'] ?? json[0]?.reason;
    };
    expect(await planned('lane pr-42')).toBe('lane pr-42');
    expect(await planned('canary')).toBe('canary');
    expect(await planned('canary in dc2')).toEqual({ subset: 'canary', datacenter: 'dc2' });
    expect(await planned('canary in peer cloud')).toEqual({ subset: 'canary', peer: 'cloud' });
    expect(await planned('led-v2/blue')).toEqual({ service: 'led-v2', subset: 'blue' });
    expect(await planned('led-v2/blue in dc2')).toEqual({ service: 'led-v2', subset: 'blue', datacenter: 'dc2' });
    expect(await planned('led-v2/blue/green')).toMatch(/led-v2\/blue\/green \(expected: one that a route/);
    expect(await planned('led-v2')).toMatch(
      /led-v2 \(expected: one that a route, .* leads to: led-v2\/blue; for all of its callers a fault in its own/,
    );
    expect(await planned('canray')).toMatch(/"canray" \(expected: one of stable, canary; did you mean canary\?\)/);
  });

  it('refuses what hits every call and nothing stops, without --force', async () => {
    await register('everyone', 'stable', 'canary');
    await apply('everyone');
    const all = [
      'drill',
      'start',
      'everyone',
      '--abort',
      'UNAVAILABLE',
      '--percent',
      '100',
      '--for',
      '1m',
      '-m',
      'all',
    ];
    const refused = await world.runJson<readonly Changed[]>(all);
    expect([refused.code, refused.json[0]?.outcome]).toEqual([1, 'refused']);
    expect(refused.json[0]?.reason).toMatch(
      /100 % of attempts fail with UNAVAILABLE until .* no stopAbove ends it early/,
    );
    expect(await policyIn('everyone')).toEqual(policyOf('everyone', 5));
    for (const mild of [['--stop-above', '50'], ['--label', 'x-gray=canary'], ['--in', 'canary'], ['--force']]) {
      const { json } = await world.runJson<readonly Changed[]>([...all, ...mild, '--dry-run']);
      expect(json[0]?.outcome, mild.join(' ')).toBe('planned');
    }
    expect(await policyIn('everyone')).toEqual(policyOf('everyone', 5));
    // The same through policy apply.
    const faults = [{ name: 'f', abort: 'UNAVAILABLE', percent: 100, until: '2100-01-01T00:00:00Z' }];
    const file = world.file('everyone.json', policyOf('everyone', 5, { faults }));
    const applied = await world.run(['policy', 'apply', file, '-m', 'x']);
    expect([applied.code, applied.stderr]).toEqual([
      1,
      expect.stringMatching(/fault f: 100 % of attempts fail .* --force/s),
    ]);
  });

  it('is added to what another writer leaves, and stops one of several by its name', async () => {
    await register('raced', 'stable', 'canary');
    await apply('raced');
    const names = ['one', 'two', 'three'];
    const started = await Promise.all(
      names.map((name) => world.run(['drill', 'start', 'raced', '--in', 'canary', '--name', name, ...START])),
    );
    expect(started.map(({ code }) => code)).toEqual([0, 0, 0]);
    const named = async (): Promise<readonly string[]> =>
      (((await policyIn('raced'))['faults'] as { name: string }[] | undefined) ?? []).map(({ name }) => name).sort();
    expect(await named()).toEqual([...names].sort());
    const slip = await world.run(['drill', 'stop', 'raced', 'tow']);
    expect([slip.code, slip.stderr]).toEqual([1, expect.stringMatching(/no drill tow: it has .* did you mean two\?/)]);
    expect((await world.run(['drill', 'stop', 'raced', 'two'])).code).toBe(0);
    expect(await named()).toEqual(['one', 'three']);
    expect((await world.run(['drill', 'stop', 'raced'])).code).toBe(0);
    expect(await named()).toEqual([]);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['nothing to do', ['--percent', '10', '--for', '1m', '-m', 'x'], /--abort, --delay: missing/],
    [
      'no end',
      ['--abort', 'UNAVAILABLE', '--percent', '10', '-m', 'x'],
      /--for: missing \(expected: --for <duration>\)/,
    ],
    [
      'a slip in the status',
      ['--abort', 'UNAVAILABL', '--percent', '10', '--for', '1m', '-m', 'x'],
      /did you mean UNAVAILABLE\?/,
    ],
    [
      'a delay of an hour',
      ['--delay', '60m', '--percent', '10', '--for', '1m', '-m', 'x'],
      /expected: 300ms, 2s or 1m/,
    ],
    ['a limit without a share', [...START, '--minimum-calls', '5'], /--minimum-calls: without --stop-above/],
  ])('is used wrongly with %s', async (_, args, expected) => {
    const { code, stderr } = await world.run(['drill', 'start', 'drilled', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(expected)]);
  });

  it('is watched: what it hits, what was saved, and who stopped it', async () => {
    await register('watched', 'stable', 'canary');
    const match = { labels: { 'x-gray': 'canary' } };
    await apply('watched', { retry: { maxAttempts: 2 }, routes: [{ name: 'testers', match, to: 'canary' }] });
    const [first] = await Promise.all(
      ['one'].map(async (name) => {
        const graylane = closing(
          createGraylane({
            name,
            consul: { address: world.consul.dc('dc1').address },
            logger: silentLogger,
            stateDirectory: false,
          }),
          (one) => one.close(),
        );
        const admin = graylane.adminHandler();
        const server = closing(
          createServer((request, response) => admin(request, response)),
          (one) => one.close(),
        );
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const client = closing(paymentsClient(graylane.target('watched'), graylane.clientOptions()), (one) =>
          one.close(),
        );
        await graylane.ready('watched');
        await charge(client);
        return { graylane, client, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
      }),
    );
    if (first === undefined) throw new Error('no client');
    const { graylane, client, url } = first;
    const none = await world.run(['drill', 'watch', 'watched', '--url', url]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/nobody tells of a drill of watched/)]);

    const how = ['--label', 'x-gray=canary', '--in', 'canary', '--abort', 'UNAVAILABLE', '--percent', '100'];
    const started = await world.run(['drill', 'start', 'watched', ...how, '--for', '10m', '-m', 'game day']);
    expect(started.code).toBe(0);
    await expect.poll(() => graylane.inspect().services[0]?.faults.length).toBe(1);
    for (let call = 0; call < 5; call += 1) await charge(client, { 'x-gray': 'canary' });
    const { code, json } = await world.runJson<{ readonly rows: readonly object[] }>([
      'drill',
      'watch',
      'watched',
      '--once',
      '--url',
      url,
    ]);
    expect(code).toBe(0);
    expect(json.rows).toMatchObject([
      { name: 'drill', processes: 1, stopped: 0, calls: 5, failed: 0, savedByFallback: 5 },
    ]);
    const { stdout } = await world.run(['drill', 'watch', 'watched', '--url', url]);
    expect(stdout).toMatch(/drill +\S+Z +1 +0 +5 +5 +0 +0 +5 /);
    const inspected = await world.run(['inspect', '--url', url]);
    expect(inspected.stdout).toMatch(
      /fault drill until .*: in force; 5 attempts hit; of 5 calls 0 failed, 5 saved by fallback/,
    );
    const doctor = await world.run(['doctor', 'watched', '--no-dial']);
    expect(doctor.stdout).toMatch(/fault drill of watched/);
  });
});
