import { beforeAll, describe, expect, it } from 'vitest';
import { policyOf } from '../cli/two-datacenters';
import { consoleWorld } from './console-world';

const world = consoleWorld();

/** What the command prints with `--json`. */
async function command(...args: readonly string[]): Promise<unknown> {
  return JSON.parse((await world.run([...args, '--json'])).stdout);
}

async function result<T>(path: string): Promise<T> {
  const { status, json, text } = await world.ask<T>('GET', path);
  expect(status, text).toBe(200);
  return json.result;
}

const timeless = (text: string): unknown =>
  JSON.parse(text, (key, value) => (['ageMs', 'remainingMs', 'at', 'atMs'].includes(key) ? undefined : value));

/** But for what differs with the moment. */
function same(found: unknown, expected: unknown): void {
  expect(timeless(JSON.stringify(found))).toEqual(timeless(JSON.stringify(expected)));
}

beforeAll(async () => {
  for (const [id, tag, version, port] of [
    ['p1', 'stable', 'v1', 9],
    ['p2', 'stable', 'v1', 10],
    ['p3', 'canary', 'v2', 11],
  ] as const) {
    await world.consul.register({
      name: 'payments',
      id,
      port,
      address: '127.0.0.1',
      tags: [tag],
      meta: { version },
    });
  }
  await world.consul.register({ name: 'lonely', port: 9, address: '127.0.0.1' });
  await world.apply(policyOf('payments', 5), 'canary to 5 %');
  await world.apply(policyOf('payments', 30), 'canary to 30 %');
});

describe('what the console shows', () => {
  it.each([
    ['/api/services/payments/instances', ['instances', 'payments']],
    ['/api/overrides', ['override', 'list']],
    ['/api/drills', ['drill', 'list']],
    ['/api/lanes', ['lane', 'list']],
  ])('%s is what graylane %j says', async (path, args) => {
    same(await result(path), await command(...args));
  });

  it('is the policy that policy get prints, as YAML too', async () => {
    const { datacenters } = await result<{ datacenters: { yaml: string; document: unknown; revision: string }[] }>(
      '/api/services/payments/policy',
    );
    const got = (await command('policy', 'get', 'payments')) as {
      datacenters: { revision: string; document: unknown }[];
    };
    expect(datacenters[0]).toMatchObject(got.datacenters[0] ?? {});
    expect(datacenters[0]?.yaml).toBe((await world.run(['policy', 'get', 'payments', '--yaml'])).stdout);
  });

  it('is the history that policy log prints, with what each entry changed', async () => {
    const [here] = await result<{ entries: readonly Record<string, unknown>[] }[]>('/api/services/payments/history');
    const [log] = (await command('policy', 'log', 'payments')) as { entries: readonly Record<string, unknown>[] }[];
    const told = ({ number, kind, time, author, message, revision }: Record<string, unknown>) => {
      return { number, kind, time, author, message, revision };
    };
    expect(here?.entries.map(told)).toEqual(log?.entries.map(told));
    expect(here?.entries[0]).toMatchObject({ inForce: true, changed: 2 });
    expect(here?.entries[0]?.['differences']).toContainEqual({
      path: 'routes[everyone].split[canary].weight',
      kind: 'changed',
      before: 5,
      after: 30,
    });
  });

  it('is every service that is registered or has a policy, and not Consul itself', async () => {
    const listed = await result<{ service: string; policies: readonly object[] }[]>('/api/services');
    expect(listed.map(({ service }) => service)).toEqual(['lonely', 'payments']);
    const [summary] = (await command('policy', 'list')) as object[];
    expect(listed[1]?.policies).toEqual([summary]);
  });

  it('is why a call goes where it goes, as explain says it', async () => {
    const asked = { method: '/shop.v1.Payments/Charge', labels: { 'X-User-Id': 'u-42' } };
    const { json } = await world.ask('POST', '/api/services/payments/explain', { body: asked });
    const args = ['explain', 'payments', '--method', asked.method, '--label', 'x-user-id=u-42'];
    same(json.result, await command(...args));
  });

  it('does not know what is not there', async () => {
    expect(await result('/api/services/payments/rollout')).toBeNull();
    expect((await world.ask('GET', '/api/nothing')).status).toBe(404);
    expect(await result('/api/services/payments/charts')).toBeNull();
  });
});

describe('why a caller went elsewhere', () => {
  it('is told with the change that moved the caller, and undone', async () => {
    const service = 'shop';
    await world.consul.register({ name: service, id: 's1', port: 9, address: '127.0.0.1', tags: ['stable'] });
    await world.consul.register({ name: service, id: 's2', port: 10, address: '127.0.0.1', tags: ['canary'] });
    for (const [percent, message] of [
      [60, 'canary to 60 %'],
      [0, 'errors'],
      [0.5, 'a little'],
    ] as const) {
      await world.apply(policyOf(service, percent), message);
    }
    const users = Array.from({ length: 40 }, (_, at) => `u-${at}`);
    const path = `/api/services/${service}/explain/history`;
    const stepsOf = async (user: string) => {
      const { json } = await world.ask<{ steps: Record<string, unknown>[] }[]>('POST', path, {
        body: { labels: { 'x-user-id': user } },
      });
      return json.result[0]?.steps ?? [];
    };
    const all = await Promise.all(users.map(stepsOf));
    const moved = all.find((steps) => steps.some(({ hasMoved }) => hasMoved)) ?? expect.fail('nobody moved');
    expect(moved.map(({ number, decision, hasMoved }) => [number, (decision as { to: string }).to, hasMoved])).toEqual([
      [3, 'stable', false],
      [2, 'stable', true],
      [1, 'canary', false],
    ]);
    const check = await world.ask<{ outcome: string }[]>('POST', `/api/services/${service}/rollback/check`, {
      body: { revision: '1' },
    });
    expect(check.json.result[0]?.outcome).toBe('planned');
    const back = await world.ask('PUT', `/api/services/${service}/rollback`, {
      body: { revision: '1', message: 'u-42 saw the old page', force: true },
    });
    expect(back.status, back.text).toBe(200);
    const user = users[all.indexOf(moved)] ?? '';
    expect((await stepsOf(user))[0]).toMatchObject({ number: 4, hasMoved: true, decision: { to: 'canary' } });
  });
});

describe('what the console changes', () => {
  it('is planned without a write, and written with message, author and history', async () => {
    const before = await command('policy', 'log', 'payments');
    const body = { subset: 'canary', percent: 40 };
    const planned = await world.ask<{ movedCallers: { moved: number }[] }[]>(
      'POST',
      '/api/services/payments/weight/check',
      { body },
    );
    expect(planned.json.result[0]?.movedCallers[0]?.moved).toBeCloseTo(0.1, 2);
    expect(await command('policy', 'log', 'payments')).toEqual(before);
    const written = await world.ask('PUT', '/api/services/payments/weight', {
      body: { ...body, message: 'looks good' },
    });
    expect(written.status, written.text).toBe(200);
    const [log] = (await command('policy', 'log', 'payments')) as { entries: { message: string; author: string }[] }[];
    expect(log?.entries[0]?.message).toBe('looks good');
    // The accessor of the caller's own token, which is no secret.
    expect(log?.entries[0]?.author).toMatch(/^[0-9a-f-]{36}$/);
    expect(log?.entries[0]?.author).not.toBe(world.consul.token);
  });

  it('is refused for a reason, and where somebody was faster', async () => {
    const path = '/api/services/payments/policy';
    const text = JSON.stringify(policyOf('payments', 41));
    const stale = await world.ask('PUT', path, { body: { text, message: 'late', ifRevision: '000000000000' } });
    expect(stale.status).toBe(409);
    expect(stale.json.error?.message).toContain('(expected: 000000000000)');
    const wrong = await world.ask<{ problems: { message: string }[] }>('PUT', path, {
      body: { text: 'schema: 1\nservice: payments\nroutes: 7', message: 'typo' },
    });
    expect(wrong.status).toBe(422);
    expect(wrong.json.result.problems[0]?.message).toContain('routes');
    const empty = { ...policyOf('payments'), subsets: { stable: { tags: ['stabel'] }, canary: { tags: ['canary'] } } };
    const harmful = await world.ask('PUT', path, { body: { text: JSON.stringify(empty), message: 'slip' } });
    expect(harmful.status).toBe(409);
    expect(harmful.json.error?.message).toContain('stable');
    const unsaid = await world.ask('PUT', path, { body: { text } });
    expect([unsaid.status, unsaid.json.error?.message]).toEqual([400, expect.stringContaining('message: missing')]);
  });

  it('sets and clears an override and a drill', async () => {
    const path = '/api/services/payments';
    const override = { to: 'stable', ttl: '30m', message: 'incident 42' };
    const set = await world.ask('PUT', `${path}/override`, { body: override });
    expect(set.status, set.text).toBe(200);
    expect(await command('override', 'list')).toMatchObject([{ service: 'payments', inForce: true }]);
    expect((await world.ask('DELETE', `${path}/override`, { body: { message: 'over' } })).status).toBe(200);
    expect(await command('override', 'list')).toEqual([]);
    const drill = { in: 'canary', abort: 'UNAVAILABLE', percent: '10', for: '5m', stopAbove: '5', message: 'game day' };
    const started = await world.ask('PUT', `${path}/drill`, { body: drill });
    expect(started.status, started.text).toBe(200);
    expect(await command('drill', 'list')).toMatchObject([{ service: 'payments', name: 'drill', inForce: true }]);
    expect((await world.ask('DELETE', `${path}/drill`, { body: { message: 'seen' } })).status).toBe(200);
    expect(await command('drill', 'list')).toEqual([]);
  });

  it('is of the service that the path names, and nothing is done that is not named', async () => {
    const text = JSON.stringify(policyOf('payments', 5));
    const other = await world.ask<{ problems: { path: string }[] }>('PUT', '/api/services/lonely/policy', {
      body: { text, message: 'a slip' },
    });
    expect([other.status, other.json.result.problems[0]?.path]).toEqual([422, 'service']);
    const nothing = await world.ask('PUT', '/api/services/payments/rollout', { body: {} });
    expect([nothing.status, nothing.json.error?.message]).toEqual([400, expect.stringContaining('action: missing')]);
  });

  it('tells every problem of a request with its path', async () => {
    const { status, json } = await world.ask('PUT', '/api/services/payments/override', {
      body: { to: 'stable', ttl: 'soon', mesage: 'x' },
    });
    expect(status).toBe(400);
    for (const part of ['mesage: unknown', 'did you mean message?', 'ttl: "soon"', 'message: missing']) {
      expect(json.error?.message).toContain(part);
    }
  });
});
