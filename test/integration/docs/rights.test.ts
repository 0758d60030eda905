import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { rolloutSchema } from '../../../src/ops/rollout/rollout-schema';
import { wavesSchema } from '../../../src/ops/rollout/waves/waves-schema';
import { policySchema } from '../../../src/policy/policy-schema';
import { type ConsulApi, createConsulApi } from '../../support/consul/http-api';
import type { CommandEnded } from '../cli/built-command';
import { startLive } from '../cli/live-command';
import { commandWorld, policyOf } from '../cli/two-datacenters';
import { fencesOf, readPage } from './fences';

const world = commandWorld({ datacenters: ['dc1'], acl: true });
const PAGES = ['docs/security.md', 'docs/policies.md', 'docs/rollouts.md', 'docs/trials.md'];
/** Each role of the table, and the heading of its rules. */
const RULES: ReadonlyMap<string, string> = new Map(
  PAGES.flatMap((page) =>
    fencesOf(page)
      .filter(({ language }) => language === 'hcl')
      .map(({ text }): [string, string] => [`${page} ${/^# (.+)/.exec(text)?.[1]}`, text]),
  ),
);
const secrets = new Map<string, string>();

const [header = [], , ...rows] = readPage('docs/security.md')
  .split('## Who may write what')[1]
  ?.split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map((cells) => cells.slice(1, -1)) ?? [[]];
const roles = rows.slice(
  0,
  rows.findIndex((cells) => cells.length !== header.length),
);
const columns = header.slice(1);
/** Role and what the table says of it, by column. */
const table = roles.map(([role = '', ...rights]): readonly [string, Record<string, string>] => [
  ruleOf(role),
  Object.fromEntries(columns.map((column, at) => [column, rights[at] ?? ''])),
]);

/** `[auditor](policies.md#audit-and-roles)` stands for the rules that docs/policies.md shows under that name. */
function ruleOf(role: string): string {
  const [, name = role, page = ''] = /^\[([^\]]+)\]\(([^)#]*)/.exec(role) ?? [];
  return `docs/${page === '' ? 'security.md' : page} ${name}`;
}

interface Attempt {
  read(api: ConsulApi): Promise<unknown>;
  write(api: ConsulApi): Promise<unknown>;
}

function key(name: string, value: string): Attempt {
  return { read: (api) => api.request('GET', `/v1/kv/${name}`), write: (api) => api.putKv(name, value) };
}

const ORDERS = JSON.stringify(policyOf('orders'));
const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  policy: key('graylane/policies/payments', JSON.stringify(policyOf('payments'))),
  'policy, others': key('graylane/policies/orders', ORDERS),
  history: key('graylane/history/payments/0000000009', '{}'),
  rollout: key('graylane/rollouts/payments', '{}'),
  'rollout, others': key('graylane/rollouts/orders', '{}'),
  collector: key('graylane/rollouts/payments/collector', '{}'),
  candidate: key('graylane/candidates/payments', '{}'),
  instances: {
    async read(api) {
      const answer = await (await api.request('GET', '/v1/health/service/payments')).json();
      if ((answer as readonly unknown[]).length === 0) throw new Error('an empty list: 403 in disguise');
    },
    write: (api) => api.register({ name: 'payments', id: 'mine', port: 9 }),
  },
  'config entry': {
    read: (api) => api.request('GET', '/v1/config/service-defaults/payments'),
    write: (api) => api.request('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'payments', Protocol: 'grpc' }),
  },
  sessions: {
    // Consul lets whoever may write one see it; to see those of others is of no use to anybody.
    read: () => Promise.reject(new Error('403: not asked')),
    write: (api) => api.request('PUT', '/v1/session/create', { TTL: '10s' }),
  },
};

async function rightOf(attempt: Attempt, api: ConsulApi): Promise<string> {
  const may = (work: Promise<unknown>): Promise<boolean> =>
    work.then(
      () => true,
      (error: unknown) => (/403/.test(String(error)) ? false : Promise.reject(error)),
    );
  if (await may(attempt.write(api))) return 'write';
  return (await may(attempt.read(api))) ? 'read' : '-';
}

function as(role: string, args: readonly string[], limitMs?: number): Promise<CommandEnded> {
  const env = { CONSUL_HTTP_TOKEN: secrets.get(`docs/rollouts.md ${role}`) ?? '' };
  return world.run(args, { env, ...(limitMs === undefined ? {} : { limitMs }) });
}

beforeAll(async () => {
  const agent = world.consul.dc('dc1');
  for (const [role, text] of RULES) secrets.set(role, (await agent.createToken(text)).secret);
  await agent.register({ name: 'payments', id: 'p1', port: 4100, tags: ['stable'] });
  await agent.register({ name: 'payments', id: 'p2', port: 4101, tags: ['canary'] });
  await agent.request('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'payments', Protocol: 'grpc' });
});

describe('the table of rights in docs/security.md', () => {
  it('has rules for each role, and a way to try each column', () => {
    expect(table).toHaveLength(9);
    expect(table.map(([role]) => RULES.has(role))).not.toContain(false);
    expect(Object.keys(ATTEMPTS)).toEqual(columns);
  });

  it.each(table)('%s', async (role, rights) => {
    const agent = world.consul.dc('dc1');
    const api = createConsulApi(agent.address, secrets.get(role));
    const tried = Object.entries(ATTEMPTS).map(async ([column, attempt]) => {
      // Reading what is not there is no refusal.
      if (column !== 'instances' && column !== 'sessions') await attempt.write(agent);
      return [column, await rightOf(attempt, api)];
    });
    expect(Object.fromEntries(await Promise.all(tried))).toEqual(rights);
  });
});

describe('what whoever operates a rollout has the controller do', () => {
  const operator = 'rollout operator of payments';
  const KEY = 'graylane/rollouts/payments';

  it('is nothing with addresses, variables and programs, also past the command', { timeout: 60_000 }, async () => {
    const agent = world.consul.dc('dc1');
    for (const service of ['payments', 'orders']) {
      await agent.putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 0)));
      await agent.deleteKv(`graylane/rollouts/${service}`);
    }
    await agent.deleteKv('graylane/history/payments/0000000009');
    const taken: string[] = [];
    const server = createServer((request, response) => {
      taken.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const rollout = world.file('rollout.json', {
      ...{ schema: 1, service: 'payments', canary: 'canary', stable: 'stable' },
      steps: [{ setWeight: 5 }, { analysis: {} }],
      analysis: { provider: 'metrics', intervalMs: 100 },
    });
    expect(await as(operator, ['rollout', 'start', 'payments', '--file', rollout])).toMatchObject({ code: 0 });
    const api = createConsulApi(agent.address, secrets.get(`docs/rollouts.md ${operator}`));
    const sound = JSON.parse((await world.kv(KEY)) ?? '{}');
    const ran = world.file('ran', 'no');
    const program = `require('fs').writeFileSync(${JSON.stringify(ran)}, 'yes')`;
    const tokenEnv = 'CONSUL_HTTP_TOKEN';
    const check = (provider: unknown) => [
      { check: 'value', name: 'v', provider, query: 'up', failureCondition: '> 1' },
    ];
    const forged: readonly (readonly [object, string])[] = [
      [{ analysis: { provider: { webhook: { url, tokenEnv } } } }, 'analysis.provider: an object of webhook'],
      [
        { analysis: { provider: { prometheus: { address: url, tokenEnv } } } },
        'analysis.provider: an object of prometheus',
      ],
      [{ analysis: { checks: check({ command: { run: [process.execPath, '-e', program] } }) } }, 'analysis.checks[0].'],
      [{ notify: { webhook: { url, tokenEnv } } }, 'notify: an object of webhook (expected: a list of names'],
      [{ service: 'orders' }, 'service: orders (expected: payments)'],
    ];
    const config = world.file('controller.json', { schema: 1, providers: { metrics: { webhook: { url } } } });
    const put = (change: object): Promise<void> => {
      const document = { ...sound.progress.document, ...change };
      return api.putKv(KEY, JSON.stringify({ ...sound, progress: { ...sound.progress, document } }));
    };
    await put(forged[0]?.[0] ?? {});
    const live = startLive(['rollout', 'run', 'payments', '--config', config], {
      CONSUL_HTTP_ADDR: agent.address,
      CONSUL_HTTP_TOKEN: secrets.get('docs/rollouts.md rollout controller') ?? '',
    });
    onTestFinished(() => live.kill());
    for (const [change, told] of forged) {
      await put(change);
      const words = `nothing moves: ${KEY}: its document: ${told}`;
      await live.note(new RegExp(words.replace(/[()[\]]/g, '\\$&')));
    }
    expect(taken).toEqual([]);
    expect(readFileSync(ran, 'utf8')).toBe('no');
    expect(await world.kv('graylane/policies/orders')).toBe(JSON.stringify(policyOf('orders', 0)));
    // The same controller goes on with what is sound, at the address of its own file, and without its token there.
    await put({});
    await live.line(/setWeight/);
    await expect.poll(() => taken.length, { timeout: 10_000 }).toBeGreaterThan(0);
    for (const secret of secrets.values()) expect(taken.join()).not.toContain(secret);
    await live.interrupt();
  });

  it('is refused by the command with path, what was found and what is expected', async () => {
    const document = {
      ...{ schema: 1, service: 'payments', canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }] },
      analysis: { provider: { prometheus: { address: 'http://127.0.0.1:1', tokenEnv: 'CONSUL_HTTP_TOKEN' } } },
    };
    const file = world.file('reaching.json', document);
    const { code, stderr } = await as(operator, ['rollout', 'start', 'payments', '--file', file]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/analysis\.provider: an object of prometheus \(expected: the name .* of a provider/),
    ]);
  });
});

interface SchemaPart {
  readonly [keyword: string]: unknown;
}

describe('the fields that decision 44 has looked at', () => {
  it('are all those in which a writer may put a text of his own', () => {
    const listed = new Set(
      [...readPage('docs/decisions/0044-what-a-writer-reaches.md').matchAll(/`([^`\s]+)`/g)].map(([, name]) => name),
    );
    const found = [...textsOf(policySchema), ...textsOf(rolloutSchema), ...textsOf(wavesSchema)];
    expect(new Set(found).size).toBeGreaterThan(40);
    expect(found.filter((field) => !listed.has(field))).toEqual([]);
  });
});

/** Paths of all that may be any text, conditions of a match under one name wherever they stand. */
function textsOf(schema: SchemaPart): readonly string[] {
  const found = new Set<string>();
  const walk = (part: unknown, path: string, seen: readonly string[]): void => {
    if (typeof part !== 'object' || part === null) return;
    const node = part as SchemaPart;
    const reference = node['$ref'];
    if (typeof reference === 'string') {
      const name = reference.split('/').at(-1) ?? '';
      const definitions = schema['definitions'] as SchemaPart;
      if (!seen.includes(name)) walk(definitions[name], path, [...seen, name]);
      return;
    }
    const types = [node['type']].flat();
    if ((types.includes('string') || 'pattern' in node) && !('enum' in node) && !('const' in node)) found.add(path);
    const at = (key: string): string => (path === '' ? key : `${path}.${key}`);
    for (const [key, inner] of Object.entries((node['properties'] as SchemaPart | undefined) ?? {})) {
      walk(inner, at(key), seen);
    }
    if ('items' in node) walk(node['items'], `${path}[]`, seen);
    if (typeof node['additionalProperties'] === 'object') {
      found.add(at('<key>'));
      walk(node['additionalProperties'], at('*'), seen);
    }
    for (const choice of ['oneOf', 'anyOf', 'allOf']) {
      for (const inner of (node[choice] as readonly unknown[] | undefined) ?? []) walk(inner, path, seen);
    }
    for (const choice of ['then', 'else']) walk(node[choice], path, seen);
  };
  walk(schema, '', []);
  return [...found].map((path) =>
    path
      // What members of waves share is of a rollout.
      .replace(/^(waves\[\]\.members\[\]\.)?rollout\./, '')
      .replace(/^(routes\[\]|faults\[\]|steps\[\]\.setRoute)\.match(\.any\[\])*/, 'match')
      .replace(/^steps\[\]\.analysis/, 'analysis'),
  );
}
