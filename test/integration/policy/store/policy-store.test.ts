import { createServer, request as httpRequest, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { type ConsulClient, createConsulClient } from '../../../../src/consul/client';
import { parseConsulOptions } from '../../../../src/consul/options';
import { type StoredPolicy, verifyHistory } from '../../../../src/ops/store/history';
import { createPolicyStore, type PolicyStore, type WriteOutcome } from '../../../../src/ops/store/policy-store';
import { closeAfterEach } from '../../../support/closers';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';

const onClose = closeAfterEach();
let consul: ConsulCluster;
let store: PolicyStore;

beforeAll(async () => {
  consul = await startConsul();
});
afterAll(() => consul.stop());

function clientOf(address: string): ConsulClient {
  const client = createConsulClient(parseConsulOptions({ address }, {}), { clock: systemClock });
  return onClose(client, () => client.close());
}

async function write(before: StoredPolicy, text: string, by: PolicyStore = store): Promise<WriteOutcome> {
  return by.write({ before, text, kind: 'apply', author: 'somebody', message: 'why', time: new Date() });
}

const document = (service: string, more: object = {}): string => JSON.stringify({ schema: 1, service, ...more });

describe('the store of policies', () => {
  it('keeps the newest hundred entries, which still verify', async () => {
    store = createPolicyStore({ client: clientOf(consul.dc('dc1').address) });
    for (let change = 0; change < 105; change += 1) {
      const outcome = await write(await store.read('many', undefined), document('many', { timeoutMs: change + 1 }));
      expect(outcome.kind).toBe('written');
    }
    const stored = await store.read('many', undefined);
    expect(stored.history.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, index) => index + 6));
    expect(verifyHistory(stored)).toEqual([]);
    expect(stored.history.at(-1)?.entry?.document).toBe(stored.policy?.text);
  });

  it('takes a document of 256 KiB that compresses, and refuses with its size one that does not', async () => {
    store = createPolicyStore({ client: clientOf(consul.dc('dc1').address) });
    const large = document('large', { $schema: 'x'.repeat(256 * 1024 - 60) });
    expect((await write(await store.read('large', undefined), large)).kind).toBe('written');
    const stored = await store.read('large', undefined);
    expect(stored.history[0]?.entry?.document).toBe(large);
    expect(stored.history[0]?.bytes).toBeLessThan(4096);
    expect(verifyHistory(stored)).toEqual([]);
    const noise = document('noise', { $schema: randomText(256 * 1024 - 60) });
    const refused = await write(await store.read('noise', undefined), noise);
    expect(refused).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/^a transaction of \d{6} bytes \(expected: at most 524288\)$/),
    });
    expect((await store.read('noise', undefined)).policy).toBeUndefined();
  });

  it('reads a service whose name begins another one apart', async () => {
    store = createPolicyStore({ client: clientOf(consul.dc('dc1').address) });
    for (const service of ['pay', 'payments']) await write(await store.read(service, undefined), document(service));
    expect((await store.read('pay', undefined)).history.map(({ entry }) => entry?.service)).toEqual(['pay']);
    expect((await store.read('pay', undefined)).policy?.text).toBe(document('pay'));
    expect(await store.services(undefined)).toEqual(expect.arrayContaining(['pay', 'payments']));
  });

  it('knows that it has written when the answer was lost, and that it has not when the question was', async () => {
    const { address } = consul.dc('dc1');
    store = createPolicyStore({ client: clientOf(address) });
    for (const loses of ['answer', 'question'] as const) {
      const proxy = await startLosingProxy(address, loses);
      onClose(proxy, () => new Promise((resolve) => proxy.server.close(resolve)));
      const through = createPolicyStore({ client: clientOf(proxy.address) });
      const outcome = await write(await store.read(`lost-${loses}`, undefined), document(`lost-${loses}`), through);
      expect(outcome.kind).toBe(loses === 'answer' ? 'written' : 'refused');
      const stored = await store.read(`lost-${loses}`, undefined);
      expect(stored.history).toHaveLength(loses === 'answer' ? 1 : 0);
    }
  });

  it('tells the loser of a race what stands there, and a failure by its reason', async () => {
    store = createPolicyStore({ client: clientOf(consul.dc('dc1').address) });
    const before = await store.read('raced', undefined);
    expect((await write(before, document('raced', { timeoutMs: 1 }))).kind).toBe('written');
    const lost = await write(before, document('raced', { timeoutMs: 2 }));
    expect(lost).toMatchObject({ kind: 'lost', now: { policy: { text: document('raced', { timeoutMs: 1 }) } } });
    const nobody = createPolicyStore({ client: clientOf('http://127.0.0.1:1') });
    expect((await write(before, document('raced'), nobody)).kind).toBe('unknown');
    await expect(nobody.read('raced', undefined)).rejects.toMatchObject({ code: 'POLICY_UNAVAILABLE' });
    await expect(store.read('raced', 'nowhere')).rejects.toMatchObject({
      message: expect.stringContaining('No path to datacenter'),
    });
  });
});

/** Text that gzip cannot shorten much below its own size in base64. */
function randomText(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return Array.from({ length }, () => letters[Math.floor(Math.random() * letters.length)]).join('');
}

/** Loses the first transaction that writes, on its way there or its answer on the way back. */
async function startLosingProxy(
  target: string,
  loses: 'answer' | 'question',
): Promise<{ readonly server: Server; readonly address: string }> {
  let hasLost = false;
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      const isLost = !hasLost && body.includes('"Verb":"cas"');
      if (isLost) hasLost = true;
      if (isLost && loses === 'question') {
        outgoing.destroy();
        return;
      }
      const onward = httpRequest(
        target + (incoming.url ?? ''),
        { method: incoming.method ?? 'GET', headers: incoming.headers },
        (answer) => {
          if (isLost) {
            outgoing.destroy();
            return;
          }
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        },
      );
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP port');
  return { server, address: `http://127.0.0.1:${bound.port}` };
}
