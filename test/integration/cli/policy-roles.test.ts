import { beforeAll, describe, expect, it } from 'vitest';
import { createEntry, decodeEntry, encodeEntry, type HistoryEntry } from '../../../src/ops/store/history';
import { fencesOf } from '../docs/fences';
import type { CommandEnded } from './built-command';
import { commandWorld, policyOf } from './two-datacenters';

type Role = 'reader' | 'operator of payments' | 'auditor';

interface Log {
  readonly entries: readonly { readonly number: number; readonly author: string; readonly digest: string }[];
  readonly problems: readonly { readonly number?: number; readonly problem: string }[];
}

const world = commandWorld({ datacenters: ['dc1'], acl: true });
const tokens = new Map<Role, { readonly accessor: string; readonly secret: string }>();

function as(role: Role, args: readonly string[]): Promise<CommandEnded> {
  return world.run(args, { env: { CONSUL_HTTP_TOKEN: secretOf(role) } });
}

function secretOf(role: Role): string {
  const token = tokens.get(role);
  if (token === undefined) throw new Error(`no token for ${role}`);
  return token.secret;
}

function apply(role: Role, service: string, share: number): Promise<CommandEnded> {
  return as(role, ['policy', 'apply', world.file('p.json', policyOf(service, share)), '-m', `to ${share}`]);
}

async function verify(...more: readonly string[]): Promise<Log & { readonly code: number | null }> {
  const env = { CONSUL_HTTP_TOKEN: secretOf('auditor') };
  const { code, json } = await world.runJson<readonly Log[]>(['policy', 'log', 'payments', '--verify', ...more], {
    env,
  });
  if (json[0] === undefined) throw new Error('no log');
  return { ...json[0], code };
}

const keyOf = (number: number): string => `graylane/history/payments/${String(number).padStart(10, '0')}`;

/** As the operator, past the command: what the rules do not forbid. */
async function write(path: string, method: string, body?: string): Promise<number> {
  const response = await fetch(`${world.consul.dc('dc1').address}/v1/kv/${path}`, {
    method,
    headers: { 'x-consul-token': secretOf('operator of payments') },
    ...(body === undefined ? {} : { body }),
  });
  return response.status;
}

async function entry(number: number): Promise<HistoryEntry> {
  const decoded = decodeEntry((await world.kv(keyOf(number))) ?? '');
  if (decoded === undefined) throw new Error(`no entry ${number}`);
  return decoded;
}

describe('roles, with the rules of docs/policies.md and a Consul that denies by default', () => {
  beforeAll(async () => {
    for (const { language, text } of fencesOf('docs/policies.md')) {
      if (language !== 'hcl') continue;
      const role = /^# (.+)/.exec(text)?.[1] as Role;
      tokens.set(role, await world.consul.dc('dc1').createToken(text));
    }
    expect([...tokens.keys()]).toEqual(['reader', 'operator of payments', 'auditor']);
  });

  it.each(['policy list', 'override list', 'lane list', 'drill list', 'lists list', 'rollout status', 'waves status'])(
    'whoever may read nothing is not told that there is nothing: %s',
    async (line) => {
      const { secret } = await world.consul.dc('dc1').createToken('node_prefix "" { policy = "read" }');
      const env = { CONSUL_HTTP_TOKEN: secret };
      const { code, stdout, stderr } = await world.run(line.split(' '), { env });
      expect([code, stdout, stderr]).toEqual([
        2,
        '',
        expect.stringMatching(/graylane\/\w+\/: HTTP 403: Permission denied.*; give a token that may/),
      ]);
    },
  );

  it('an operator of payments writes payments under the accessor of the token, and not orders', async () => {
    for (const share of [5, 10, 15, 20]) expect((await apply('operator of payments', 'payments', share)).code).toBe(0);
    const { entries, problems, code } = await verify();
    expect([code, problems, entries.length]).toEqual([0, [], 4]);
    const author = tokens.get('operator of payments')?.accessor;
    expect(entries.every((each) => each.author === author)).toBe(true);

    const orders = await apply('operator of payments', 'orders', 5);
    expect(orders.code).not.toBe(0);
    expect(orders.stderr).toMatch(/permission denied|HTTP 403/i);
    expect(orders.stderr.trim().split('\n').at(-1)).toMatch(/^graylane: .*; give a token that may: .*/);
    expect(await world.kv('graylane/policies/orders')).toBeUndefined();
    expect(await write('graylane/history/orders/0000000001', 'PUT', 'x')).toBe(403);
    expect(orders.stdout + orders.stderr).not.toContain(secretOf('operator of payments'));
  });

  it('a reader and an auditor read, and write nothing', async () => {
    expect((await as('reader', ['policy', 'get', 'payments'])).stdout).toContain('"weight": 20');
    for (const role of ['reader', 'auditor'] as const) {
      for (const attempt of [
        await apply(role, 'payments', 30),
        await as(role, ['override', 'set', '--to', 'stable', 'payments', '--ttl', '5m', '-m', 'x']),
      ]) {
        expect(attempt.code).not.toBe(0);
        expect(attempt.stderr).toMatch(/permission denied/i);
      }
    }
    expect((await as('auditor', ['policy', 'show', '1', 'payments'])).stdout).toContain('"weight": 5');
    const hidden = await as('reader', ['policy', 'log', 'payments']);
    expect(hidden.stderr).toContain('no history in local that this token may read');
    expect((await verify()).entries).toHaveLength(4);
  });

  it('without a token nothing is said to be absent that may not be seen', async () => {
    const anonymous = await world.run(['policy', 'get', 'payments'], { env: { CONSUL_HTTP_TOKEN: '' } });
    expect([anonymous.code, anonymous.stderr]).toEqual([2, expect.stringContaining('HTTP 403')]);
  });

  it('a history that an operator changed past the command is not believed', async () => {
    const problems = async (): Promise<readonly string[]> => (await verify()).problems.map(({ problem }) => problem);
    const original = await entry(2);

    expect(await write(keyOf(2), 'PUT', encodeEntry({ ...original, message: 'nothing to see' }))).toBe(200);
    expect(await problems()).toEqual([
      'altered: its digest is not that of its content',
      'written again after it was made',
    ]);

    const { digest: _, ...rest } = original;
    await write(keyOf(2), 'PUT', encodeEntry(createEntry({ ...rest, author: 'somebody else' })));
    expect(await problems()).toEqual([
      'written again after it was made',
      'the entry before is not the one that it was written after',
    ]);

    await write(keyOf(2), 'DELETE');
    expect(await problems()).toEqual(['follows 1: those between are missing']);
    await write(keyOf(2), 'PUT', encodeEntry(original));
    expect(await problems()).toEqual(['older in Consul than the entry before']);

    await write(keyOf(1), 'DELETE');
    await write(keyOf(2), 'DELETE');
    expect(await problems()).toEqual(['entries 1 to 2 are missing; the newest says that they are kept']);

    await write('graylane/policies/payments', 'PUT', JSON.stringify(policyOf('payments', 99)));
    expect(await problems()).toContain(
      'the policy in force is not the one of the newest entry: it was written past the history',
    );
  });

  it('one that was written anew as a whole is, unless a digest was noted before', async () => {
    expect((await apply('operator of payments', 'payments', 40)).code).toBe(0);
    const noted = (await verify()).entries[0]?.digest ?? '';
    const last = (await verify()).entries[0]?.number ?? 0;
    for (let number = 1; number <= last; number += 1) await write(keyOf(number), 'DELETE');
    const document = (await world.kv('graylane/policies/payments')) ?? '';
    const forged = createEntry({
      ...{ service: 'payments', number: 1, kind: 'apply', time: '2026-01-01T00:00:00.000Z', author: 'somebody else' },
      ...{ message: 'it was always so', document, previous: undefined, oldest: 1 },
    });
    await write(keyOf(1), 'PUT', encodeEntry(forged));
    expect(await verify()).toMatchObject({ code: 0, problems: [] });
    expect(await verify('--expect', noted)).toMatchObject({
      code: 1,
      problems: [{ problem: `no entry has the expected digest ${noted}` }],
    });
    expect(await verify('--expect', forged.digest)).toMatchObject({ code: 0 });
  });
});
