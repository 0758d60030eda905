import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { type DecisionEvent, definePolicy } from '../../../src/index';
import { parseCallRecord } from '../../../src/policy/routing/call-record';
import { recordCalls } from '../../../src/simulate';
import { createTestClient, type TestClient } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { GRAY, graySplit } from '../../support/gray-policy';
import {
  CHARGE,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const closing = closeAfterEach();
const policy = definePolicy({
  ...GRAY,
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    {
      name: 'half',
      split: graySplit(50),
      stickBy: 'x-user-id',
    },
  ],
});
let servers: readonly PaymentsServer[];
let graylane: TestClient;
let client: PaymentsClient;

beforeEach(async () => {
  servers = await Promise.all(
    ['stable', 'canary'].map(async (version) =>
      closing(await startPaymentsServer({ name: version, version }), (server) => server.kill()),
    ),
  );
  graylane = open();
  client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
});

function open(seed = 1): TestClient {
  const instances = servers.map(({ host, port, version }) => ({ address: host, port, tags: [version] }));
  return closing(createTestClient({ policy, instances, seed }), (opened) => opened.close());
}

describe('graylane.on("decision")', () => {
  it('tells of each call what was decided, and the labels that the policy reads but no others', async () => {
    const events: DecisionEvent[] = [];
    graylane.on('decision', (event) => events.push(event));
    await charge(client, { 'x-gray': 'canary', authorization: 'Bearer s3cret', 'x-session': 's3cret' });
    await graylane.with({ stickyKey: 'u-7' }, () => charge(client, { 'x-user-id': 'u-1' }));
    await graylane.with({ force: { subset: 'canary' } }, () => charge(client));
    expect(events).toEqual([
      expect.objectContaining({
        service: 'payments',
        method: CHARGE,
        labels: { 'x-gray': 'canary' },
        by: 'route',
        route: 'testers',
        subset: 'canary',
        sticky: false,
        mode: 'route',
        atMs: Date.UTC(2026, 0, 1),
        revision: expect.stringMatching(/^[0-9a-f]{12}$/),
      }),
      expect.objectContaining({
        labels: { 'x-user-id': 'u-1' },
        stickyKey: 'u-7',
        route: 'half',
        sticky: true,
        bucket: expect.any(Number),
      }),
      expect.objectContaining({ by: 'force', force: { subset: 'canary' }, subset: 'canary' }),
    ]);
    expect(JSON.stringify(events)).not.toContain('s3cret');
  });

  it('hears of a sample, which changes no decision', async () => {
    const subsets = async (opened: TestClient): Promise<string[]> => {
      const calls = paymentsClient(opened.target('payments'), opened.clientOptions());
      for (let made = 0; made < 200; made += 1) await charge(calls);
      return opened.decisions.map((decision) => decision.subset);
    };
    let heard = 0;
    const sampled = open(5);
    sampled.on(
      'decision',
      () => {
        heard += 1;
      },
      { sample: 0.25 },
    );
    expect(await subsets(sampled)).toEqual(await subsets(open(5)));
    expect(heard).toBeGreaterThan(25);
    expect(heard).toBeLessThan(85);
    expect(() => graylane.on('decision', () => {}, { sample: 0 })).toThrow('sample: 0 (expected: > 0, <= 1)');
  });

  it('goes on when a listener throws, and ends when it is told to', async () => {
    let heard = 0;
    graylane.on('decision', () => {
      throw new Error('mine');
    });
    const stop = graylane.on('decision', () => {
      heard += 1;
    });
    await charge(client);
    stop();
    stop();
    await charge(client);
    expect(heard).toBe(1);
  });

  it('counts a label that was sent twice once, however many listen', async () => {
    graylane.on('decision', () => {});
    const metadata = graylane.metadata({});
    metadata.add('x-gray', 'canary');
    metadata.add('x-gray', 'canary');
    await charge(client, metadata);
    expect(graylane.inspect().services[0]?.repeatedLabels).toBe(1);
  });
});

describe('recordCalls()', () => {
  it('writes records that can be read back, to a file that nobody else reads', async () => {
    const folder = closing(mkdtempSync(join(tmpdir(), 'graylane-record-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    const file = join(folder, 'calls.ndjson');
    const recorder = recordCalls(graylane, { to: file, limit: 2 });
    await charge(client, { 'x-user-id': 'u-1', 'x-session': 's3cret' });
    await charge(client, { 'x-gray': 'canary' });
    await charge(client);
    await recorder.close();
    const text = readFileSync(file, 'utf8');
    const lines = text.trimEnd().split('\n');
    expect(recorder).toMatchObject({ recorded: 2, dropped: 0, failure: undefined });
    expect(lines.map(parseCallRecord)).toEqual([
      { service: 'payments', method: CHARGE, labels: { 'x-user-id': 'u-1' } },
      { service: 'payments', method: CHARGE, labels: { 'x-gray': 'canary' } },
    ]);
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({
      at: '2026-01-01T00:00:00.000Z',
      route: 'testers',
      subset: 'canary',
    });
    expect(text).not.toContain('s3cret');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('drops and counts what cannot be written, and the calls go on', async () => {
    const full = new Writable({ highWaterMark: 1, write: () => {} });
    const waiting = closing(recordCalls(graylane, { to: full }), (one) => one.close());
    const nowhere = closing(recordCalls(graylane, { to: '/nowhere/at/all' }), (one) => one.close());
    for (let made = 0; made < 3; made += 1) await charge(client);
    expect(waiting).toMatchObject({ recorded: 1, dropped: 2 });
    await expect.poll(() => nowhere.failure).toMatch(/ENOENT/);
  });

  it.each([
    ['nonsense', '"nonsense" (expected: a JSON object)'],
    ['{"labels":{}}', 'method: missing (expected: /package.Service/Method)'],
    ['{"method":"/a/B","labels":{"x":1}}', 'labels.x: 1 (expected: a string)'],
    ['{"method":"/a/B","force":{"to":"x"}}', /^force: .*expected: endpoint/],
  ])('refuses %s', (line, problem) => {
    expect(parseCallRecord(line)).toMatch(problem);
  });
});
