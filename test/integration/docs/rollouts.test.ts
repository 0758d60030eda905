import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { controllerSchema } from '../../../src/ops/rollout/config/parse-controller-config';
import { rolloutSchema } from '../../../src/ops/rollout/rollout-schema';
import { parseRollout } from '../../../src/ops/rollout/validate';
import { createConsulApi } from '../../support/consul/http-api';
import type { CommandEnded } from '../cli/built-command';
import { commandWorld, policyOf } from '../cli/two-datacenters';
import { fencesOf, readPage } from './fences';

const fences = fencesOf('docs/rollouts.md');
const world = commandWorld({ datacenters: ['dc1'], acl: true });
const tokens = new Map<string, string>();

function as(role: string, args: readonly string[]): Promise<CommandEnded> {
  return world.run(['rollout', ...args], { env: { CONSUL_HTTP_TOKEN: tokens.get(role) ?? '' } });
}

describe('docs/rollouts.md', () => {
  beforeAll(async () => {
    for (const { language, text } of fences) {
      const role = /^# (.+)/.exec(text)?.[1] ?? '';
      if (language === 'hcl') tokens.set(role, (await world.consul.dc('dc1').createToken(text)).secret);
    }
    const shown = fences.find(({ text }) => text.startsWith('schema: 1'))?.text ?? '';
    await world.consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(parse(shown)));
    await world.consul.dc('dc1').putKv('graylane/policies/orders', JSON.stringify(policyOf('orders', 0)));
  });

  it('shows a rollout without a fault', () => {
    const shown = fences.filter(({ text }) => text.startsWith('# rollout.yaml'));
    expect(shown).toHaveLength(1);
    for (const { text } of shown) expect(parseRollout(text, 'yaml').problems).toEqual([]);
    const parts = fences.filter(({ text }) => text.startsWith('# part of a rollout'));
    expect(parts).toHaveLength(1);
    const rest = 'schema: 1\nservice: payments\ncanary: canary\nstable: stable\n';
    for (const { text } of parts) expect(parseRollout(`${rest}${text}`, 'yaml').problems).toEqual([]);
  });

  it('has each field of a rollout and of the controller in a table, or in the words around it', () => {
    const fields = (part: unknown): readonly string[] => {
      if (Array.isArray(part)) return part.flatMap(fields);
      if (typeof part !== 'object' || part === null) return [];
      const own = 'properties' in part && typeof part.properties === 'object' ? Object.keys(part.properties ?? {}) : [];
      return [...own, ...Object.entries(part).flatMap(([key, each]) => (key === 'definitions' ? [] : fields(each)))];
    };
    const [, tables = ''] = readPage('docs/rollouts.md').split('## Every field');
    const names = new Set([...fields(rolloutSchema), ...fields(controllerSchema)]);
    expect(names.size).toBeGreaterThan(70);
    const told = new Set([...tables.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => code.split(/[^$\w-]+/)));
    expect([...names].filter((name) => !told.has(name))).toEqual([]);
  });

  it('gives the controller and the operator the rights that they need, in a Consul that denies by default', async () => {
    expect([...tokens.keys()]).toEqual([
      'rollout controller',
      'rollout operator of payments',
      'reporting client of payments',
    ]);
    const start = (service: string): Promise<CommandEnded> =>
      as('rollout operator of payments', ['start', service, '--weights', '5,50', '--pause', '1']);
    expect((await start('payments')).code).toBe(0);
    expect((await start('orders')).stderr).toMatch(/HTTP 403|permission denied/i);
    expect(await as('rollout controller', ['run', '--once', 'payments'])).toMatchObject({ code: 0 });
    expect((await start('payments')).code).toBe(0);
    expect((await as('rollout operator of payments', ['abort', 'payments'])).code).toBe(0);
    // The operator is not the controller: it may hold no session.
    let stderr = '';
    // It never ends by itself; on a busy machine it takes a while to begin.
    for (const limitMs of [3_000, 15_000]) {
      if (stderr !== '') break;
      ({ stderr } = await world.run(['rollout', 'run', 'payments'], {
        env: { CONSUL_HTTP_TOKEN: tokens.get('rollout operator of payments') ?? '' },
        limitMs,
      }));
    }
    expect(stderr).toMatch(/payments: nothing moves: no session: HTTP 403.*; goes on trying/);
    // A client that reports reads where to, and no more.
    const client = createConsulApi(world.consul.dc('dc1').address, tokens.get('reporting client of payments'));
    const key = 'graylane/rollouts/payments/collector';
    await expect(client.request('GET', `/v1/kv/${key}`)).rejects.toThrow(': 404');
    await expect(client.request('GET', '/v1/kv/graylane/rollouts/payments')).rejects.toThrow(': 403');
    await expect(client.putKv(key, '{}')).rejects.toThrow(': 403');
    for (const secret of tokens.values()) expect(stderr).not.toContain(secret);
  });

  it('shows a rollout that can be started as it stands, of the policy that it shows', async () => {
    const file = world.file('rollout.yaml', fences.find(({ text }) => text.startsWith('# rollout.yaml'))?.text ?? '');
    const { code, stdout } = await world.run(['rollout', 'start', 'payments', '--file', file]);
    expect(code).toBe(0);
    expect(stdout.match(/canary to \d+ %/g)).toEqual([5, 25, 50, 100].map((weight) => `canary to ${weight} %`));
  });
});
