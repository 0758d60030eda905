import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { createTestClient } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const closing = closeAfterEach();
let consul: ConsulCluster;
let servers: readonly PaymentsServer[];
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'graylane-lists-'));
  consul = await startConsul();
  servers = await Promise.all(['stable', 'canary'].map((version) => startPaymentsServer({ name: version, version })));
  for (const { name, host: address, port } of servers) {
    await consul.dc('dc1').register({ name: 'payments', id: name, address, port, tags: [name] });
  }
});

afterAll(async () => {
  for (const server of servers) server.kill();
  await consul.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Users of the list go to the canary. */
function policyOf(list: string, more: object = {}): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    routes: [{ name: 'beta', match: { labels: { 'x-user-id': { list, ...more } } }, to: 'canary' }],
  };
}

const put = (key: string, value: string): Promise<unknown> => consul.dc('dc1').putKv(`graylane/${key}`, value);

function open(options: GraylaneOptions = {}): { readonly graylane: Graylane; readonly client: PaymentsClient } {
  const graylane = closing(
    createGraylane({
      consul: { address: consul.dc('dc1').address },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      stateDirectory: false,
      ...options,
    }),
    (one) => one.close(),
  );
  return { graylane, client: paymentsClient(graylane.target('payments'), graylane.clientOptions()) };
}

const versionFor = async (client: PaymentsClient, user: string): Promise<string> =>
  (await charge(client, { 'x-user-id': user })).version;

const shortfalls = (graylane: Graylane): unknown => graylane.inspect().services[0]?.policy.shortfalls;

describe('a list of values in Consul', () => {
  it('decides for 25,000 users, and changes hold at once without a new policy', async () => {
    const users = Array.from({ length: 25_000 }, (_, at) => `user-${at}`);
    await put('lists/beta', users.join('\n'));
    await put('policies/payments', JSON.stringify(policyOf('beta')));
    const { graylane, client } = open();
    await graylane.ready('payments');
    expect([await versionFor(client, 'user-24999'), await versionFor(client, 'user-25000')]).toEqual([
      'canary',
      'stable',
    ]);
    const { revision } = graylane.explain('payments', { method: '/shop.v1.Payments/Charge', labels: {} }).routing;
    await put('lists/beta', '# second wave\nuser-25000\n');
    await expect.poll(() => versionFor(client, 'user-25000')).toBe('canary');
    expect(await versionFor(client, 'user-24999')).toBe('stable');
    const explained = graylane.explain('payments', {
      method: '/shop.v1.Payments/Charge',
      labels: { 'x-user-id': 'user-1' },
    }).routing;
    expect(explained).toMatchObject({ revision, decision: { by: 'default' } });
    expect(explained.routes[0]?.reason).toBe('x-user-id: user-1 (expected: list beta)');
    expect(shortfalls(graylane)).toEqual([]);
  });

  it('keeps its values when it is deleted or becomes no list, and says so', async () => {
    await put('lists/kept', 'u-1');
    await put('policies/payments', JSON.stringify(policyOf('kept')));
    const { graylane, client } = open();
    await graylane.ready('payments');
    await put('lists/kept', '["u-2"');
    await expect
      .poll(() => shortfalls(graylane))
      .toEqual([
        expect.objectContaining({ message: expect.stringMatching(/^list kept: .*JSON.*; its last values stay$/) }),
      ]);
    expect([await versionFor(client, 'u-1'), await versionFor(client, 'u-2')]).toEqual(['canary', 'stable']);
    await consul.dc('dc1').request('DELETE', '/v1/kv/graylane/lists/kept');
    await expect
      .poll(() => shortfalls(graylane))
      .toEqual([expect.objectContaining({ message: 'list kept: it is gone; its last values stay' })]);
    expect(await versionFor(client, 'u-1')).toBe('canary');
  });

  it('that is not there has no values, holds nothing up, and is told', async () => {
    await put('policies/payments', JSON.stringify(policyOf('nowhere')));
    const { graylane, client } = open();
    await graylane.ready('payments');
    expect(await versionFor(client, 'u-1')).toBe('stable');
    const message = 'list nowhere: nothing at graylane/lists/nowhere, so no value matches';
    expect(shortfalls(graylane)).toEqual([expect.objectContaining({ message })]);
    await put('lists/nowhere', 'u-1');
    await expect.poll(() => versionFor(client, 'u-1')).toBe('canary');
  });

  it('is remembered on disk, for a start while Consul is down', async () => {
    await put('lists/stored', 'u-1');
    await put('policies/payments', JSON.stringify(policyOf('stored')));
    const stateDirectory = join(folder, 'state');
    const first = open({ stateDirectory, shareWatches: false });
    await first.graylane.ready('payments');
    await first.graylane.close();
    const { client } = open({ stateDirectory, shareWatches: false, consul: { address: 'http://127.0.0.1:1' } });
    expect([await versionFor(client, 'u-1'), await versionFor(client, 'u-2')]).toEqual(['canary', 'stable']);
  });
});

describe('a list of values from elsewhere', () => {
  it('in code and in a file goes before Consul, and a file is watched', async () => {
    await put('lists/own', 'u-consul');
    const file = join(folder, 'users.txt');
    writeFileSync(file, 'u-1\n');
    const lists = { own: { file } };
    const { graylane, client } = open({ lists, policies: { payments: policyOf('own') } });
    await graylane.ready('payments');
    expect([await versionFor(client, 'u-1'), await versionFor(client, 'u-consul')]).toEqual(['canary', 'stable']);
    writeFileSync(file, 'u-2\n');
    await expect.poll(() => versionFor(client, 'u-2')).toBe('canary');
    const given = open({ lists: { own: ['U-3'] }, policies: { payments: policyOf('own', { ignoreCase: true }) } });
    expect(await versionFor(given.client, 'u-3')).toBe('canary');
  });

  it('in a client for tests', async () => {
    const instances = servers.map(({ host: address, port, name }) => ({ address, port, tags: [name] }));
    const graylane = closing(
      createTestClient({ instances: { payments: instances }, policy: policyOf('beta'), lists: { beta: ['u-1'] } }),
      (one) => one.close(),
    );
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    expect([await versionFor(client, 'u-1'), await versionFor(client, 'u-2')]).toEqual(['canary', 'stable']);
  });

  it('is refused in options where it is none', () => {
    expect(() => createGraylane({ lists: { '../x': [], beta: 7 as never } })).toThrow(
      /lists\.\.\.\/x: this name \(expected: letters.*\nlists\.beta: number \(expected: a list of texts, or \{ file \}\)/,
    );
  });
});
