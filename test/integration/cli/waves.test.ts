import { describe, expect, it } from 'vitest';
import { startLive } from './live-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();

async function serve(service: string, datacenters: readonly string[] = ['dc1', 'dc2']): Promise<void> {
  for (const datacenter of datacenters) {
    const agent = world.consul.dc(datacenter);
    for (const [at, tag] of ['stable', 'canary'].entries()) {
      await agent.register({ name: service, id: `${service}-${tag}`, port: 4100 + at, tags: [tag] });
    }
    await agent.putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 0)));
  }
}

async function weightIn(service: string, datacenter: string): Promise<number | undefined> {
  const { routes } = JSON.parse((await world.kv(`graylane/policies/${service}`, datacenter)) ?? '{}');
  return routes[0].split[1].weight;
}

function wavesOf(name: string, change: object = {}): object {
  return {
    ...{ schema: 1, name },
    rollout: {
      ...{ canary: 'canary', stable: 'stable', analysis: { background: false } },
      steps: [{ setWeight: 50 }, { pause: { durationMs: 300 } }, { setWeight: 100 }],
    },
    waves: ['dc2', 'dc1'].map((datacenter) => ({ members: [{ service: name, datacenter }] })),
    ...change,
  };
}

const controller = (...args: readonly string[]): ReturnType<typeof startLive> =>
  startLive(['rollout', 'run', ...args], { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address });

describe('graylane waves', { timeout: 60_000 }, () => {
  it('go from datacenter to datacenter with one controller, and end with 0', async () => {
    await serve('orders');
    const file = world.file('waves.json', wavesOf('orders', { bakeMs: 200 }));
    const planned = await world.run(['waves', 'start', file, '--dry-run']);
    expect(planned.stdout).toBe(
      '  1  orders in dc2: canary to 50 %, pause 300 ms, canary to 100 %\n' +
        '     bakes for 0.2 s\n' +
        '  2  orders in dc1: canary to 50 %, pause 300 ms, canary to 100 %\n',
    );
    const started = await world.run(['waves', 'start', file]);
    expect([started.code, started.stderr]).toEqual([
      0,
      'controllers take it from here: graylane rollout run --dc dc2,dc1, or one in each datacenter\n',
    ]);
    expect((await world.run(['waves', 'start', file])).stderr).toMatch(
      /^graylane: waves orders are under way: \S+ of \S+, running; run graylane waves status orders, or abort them/,
    );
    const live = controller('--dc', 'all');
    const ended = await world.run(['waves', 'status', 'orders', '--watch']);
    expect([ended.code, ended.stdout.trimEnd().split('\n').at(-1)]).toEqual([
      0,
      expect.stringMatching(/ waves orders completed, wave 2 of 2$/),
    ]);
    const printed = live.lines.filter((line) => /waves orders wave/.test(line)).map((line) => line.split(' ').at(5));
    const expected = ['running', 'completed', 'baking', 'starting', 'running', 'completed', 'completed'];
    expect(printed.slice(-expected.length)).toEqual(expected);
    expect(await live.interrupt()).toBe(0);
    expect([await weightIn('orders', 'dc1'), await weightIn('orders', 'dc2')]).toEqual([100, 100]);
    const { stdout } = await world.run(['waves', 'history', 'orders']);
    expect(stdout).toMatch(/baking .* until 2/);
    expect(stdout).toMatch(/completed +1 +orders in dc2/);
  });

  it('are stopped when a person aborts a member, and end with 3; what has ended is taken back', async () => {
    await serve('stock');
    const steps = [{ setWeight: 50 }, { pause: {} }];
    const rollout = { canary: 'canary', stable: 'stable', analysis: { background: false } };
    const waves = [
      { members: [{ service: 'stock', datacenter: 'dc2', rollout: { steps: [{ setWeight: 100 }] } }] },
      { members: [{ service: 'stock', datacenter: 'dc1', rollout: { steps } }] },
    ];
    const document = { ...wavesOf('stock'), rollout, waves, onFailure: 'take-back-all' };
    await world.run(['waves', 'start', world.file('stock.json', document)]);
    const live = controller('--dc', 'dc1,dc2');
    await expect.poll(() => weightIn('stock', 'dc1')).toBe(50);
    const shown = await world.run(['waves', 'status', 'stock']);
    expect(shown.stdout).toMatch(/^waves stock \S+ {2}running, wave 2 of 2\n/);
    expect(shown.stdout).toMatch(
      / {2}1 {2}stock in dc2 {2}completed\n {2}2 {2}stock in dc1 {2}paused \(until resumed\), step 2 of 2/,
    );
    expect((await world.run(['rollout', 'abort', 'stock', '--dc', 'dc1', '-m', 'too slow'])).code).toBe(0);
    const ended = await world.run(['waves', 'status', 'stock', '--watch']);
    expect(ended.code).toBe(3);
    expect(ended.stdout).toMatch(/stopped \(stock in dc1 was taken back: aborted by \S+: too slow\), wave 2 of 2\n$/);
    expect([await weightIn('stock', 'dc1'), await weightIn('stock', 'dc2')]).toEqual([0, 0]);
    expect(await live.interrupt()).toBe(0);
    const { json } = await world.runJson<readonly object[]>(['waves', 'status', 'stock']);
    expect(json).toMatchObject([{ name: 'stock', hasEnded: true, controller: null, state: { kind: 'stopped' } }]);
  });

  it('say that a datacenter has no controller, are paused, resumed and aborted', async () => {
    await serve('mail');
    await world.run(['waves', 'start', world.file('mail.json', wavesOf('mail'))]);
    const live = controller();
    await live.note(/^graylane: waves mail: this controller drives them$/);
    const status = async (): Promise<string> => (await world.run(['waves', 'status', 'mail'])).stdout;
    await expect.poll(status).toMatch(/mail in dc2 {2}running, step 1 of 3, canary at 0 %; no controller drives it\n/);
    expect((await world.run(['waves', 'pause', 'mail'])).stdout).toMatch(/^paused waves mail: paused \(paused by /);
    const ofMember = async (): Promise<string> =>
      (await world.run(['rollout', 'status', 'mail', '--dc', 'dc2'])).stdout;
    await expect.poll(ofMember).toContain('paused (paused by waves mail)');
    expect((await world.run(['waves', 'resume', 'mail'])).code).toBe(0);
    await expect.poll(ofMember).toContain('running, step 1 of 3');
    expect((await world.run(['waves', 'abort', 'mail', '-m', 'incident 42'])).code).toBe(0);
    const ended = await world.run(['waves', 'status', 'mail', '--watch']);
    expect([ended.code, ended.stdout]).toEqual([3, expect.stringContaining('incident 42')]);
    expect(await ofMember()).toContain('incident 42');
    expect(await world.kv('graylane/rollouts/mail')).toBeUndefined();
    expect(await live.interrupt()).toBe(0);
  });

  it('are refused with the place of what is wrong, before anything is written', async () => {
    await serve('bad', ['dc1']);
    const refused = async (name: string, change: object): Promise<string> => {
      const { code, stderr } = await world.run(['waves', 'start', world.file(name, wavesOf('bad', change))]);
      expect(code).toBe(1);
      return stderr;
    };
    expect(await refused('a.json', { waves: [{ members: [{ service: 'bad', dc: 'dc1' }] }] })).toMatch(
      /a\.json:\d+:\d+ waves\[0\]\.members\[0\]\.dc: "dc1" \(expected: .*here datacenter/,
    );
    expect(await refused('b.json', {})).toMatch(/bad in dc2: bad has no policy/);
    const nobody = { waves: [{ members: [{ service: 'nobody' }] }] };
    await world.consul.dc('dc1').putKv('graylane/policies/nobody', JSON.stringify(policyOf('nobody', 0)));
    await world.consul.dc('dc1').register({ name: 'nobody', id: 'nobody-1', port: 4100, tags: ['stable'] });
    expect(await refused('c.json', nobody)).toMatch(/refused, nothing was started: nobody: .*canary/);
    expect(await world.kv('graylane/waves/bad')).toBeUndefined();
    const none = await world.run(['waves', 'status', 'bad']);
    expect([none.code, none.stderr]).toEqual([1, 'graylane: there are no waves bad; run graylane waves start FILE\n']);
  });
});
