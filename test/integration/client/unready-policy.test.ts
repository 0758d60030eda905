import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { healthEntry, reply, type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';

const closing = closeAfterEach();
let consul: ScriptedConsul;
let servers: readonly PaymentsServer[];
/** Of payments, by name of the server. */
let listed: readonly string[];
/** Moves on with every change of what is listed. */
let index = 5;
/** Keys of KV that have a value. All others, and lists and policies above all, are refused. */
let values: Readonly<Record<string, string>>;
let waiting: (() => void)[];

beforeEach(async () => {
  consul = await startScriptedConsul();
  servers = await Promise.all(['one', 'two', 'canary'].map((name) => startPaymentsServer({ name, version: name })));
  listed = ['one', 'canary'];
  values = {};
  waiting = [];
  index += 1;
  consul.answer(({ path, query }, response) => {
    const [, , kind, , ...rest] = decodeURIComponent(path).split('/');
    const respond = (): void => {
      if (kind === 'kv') {
        const key = rest.join('/');
        const Value = values[key];
        if (Value === undefined) reply(response, { status: 403, body: 'Permission denied' });
        else reply(response, { index: '5', body: [{ Key: key, Value: Buffer.from(Value).toString('base64') }] });
      } else if (kind === 'health' && rest[0] === 'payments') {
        const there = servers.filter(({ name }) => listed.includes(name));
        const Tags = (name: string): string[] => [name === 'canary' ? 'canary' : 'stable'];
        const entries = there.map(({ name, port }) =>
          healthEntry(name, port, { Address: '127.0.0.1', Tags: Tags(name) }),
        );
        reply(response, { index: String(index), body: entries });
      } else if (kind === 'health') reply(response, { index: '5', body: [] });
      else reply(response, { index: '5', body: {} });
    };
    const asked = query.get('index');
    const current = kind === 'health' && rest[0] === 'payments' ? String(index) : '5';
    if (asked === current) waiting.push(respond);
    else respond();
  });
});
afterEach(async () => {
  for (const server of servers) server.kill();
  await consul.stop();
});

function list(...names: readonly string[]): void {
  listed = names;
  index += 1;
  for (const respond of waiting.splice(0)) respond();
}

const SUBSETS = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } };
const BETA: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: SUBSETS,
  default: 'stable',
  routes: [{ name: 'beta', match: { labels: { 'x-user-id': { list: 'beta' } } }, to: 'canary' }],
};

function open(): { readonly graylane: Graylane; readonly client: PaymentsClient } {
  const graylane = closing(
    createGraylane({
      consul: { address: consul.address },
      datacenters: ['dc1'],
      lists: { beta: ['u-1'] },
      policies: { payments: BETA },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      stateDirectory: false,
      shareWatches: false,
    }),
    (one) => one.close(),
  );
  return { graylane, client: paymentsClient(graylane.target('payments'), graylane.clientOptions()) };
}

/** What the next policy waits for, and says. */
const UNREADY: readonly [what: string, routes: NonNullable<PolicyDocument['routes']>, message: string][] = [
  [
    'a list',
    [{ name: 'gamma', match: { labels: { 'x-user-id': { list: 'gamma' } } }, to: 'canary' }],
    'list gamma: not known (',
  ],
  [
    'the policy of another service',
    [{ name: 'next', match: { labels: { 'x-next': '1' } }, to: { service: 'payments-v2', subset: 'blue' } }],
    'payments-v2: policy not known (',
  ],
];

describe.each(UNREADY)('a policy that waits for %s that cannot be read', (_, routes, message) => {
  it('leaves the former one in force, with its lists and with the instances of now, and says so', async () => {
    const { graylane, client } = open();
    await graylane.ready('payments', { timeoutMs: 5_000 });
    const versionFor = async (user: string): Promise<string> => (await charge(client, { 'x-user-id': user })).version;
    expect([await versionFor('u-1'), await versionFor('u-2')]).toEqual(['canary', 'one']);
    const before = graylane.inspect().services[0]?.policy.revision;
    graylane.setPolicy('payments', { ...BETA, routes });
    const told = (): readonly string[] =>
      (graylane.inspect().services[0]?.policy.shortfalls ?? []).map((each) => each.message);
    await expect.poll(() => told().join()).toContain(message);
    expect(graylane.inspect().services[0]?.policy.revision).toBe(before);
    expect([await versionFor('u-1'), await versionFor('u-2')]).toEqual(['canary', 'one']);
    list('two', 'canary');
    await expect.poll(() => versionFor('u-2'), { timeout: 5_000 }).toBe('two');
    expect(await versionFor('u-1')).toBe('canary');
  });
});
