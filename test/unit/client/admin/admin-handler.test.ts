import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type AdminHandler, createGraylane, type Graylane } from '../../../../src/index';
import { closeAfterEach } from '../../../support/closers';
import { GRAY } from '../../../support/gray-policy';
import { CHARGE, charge, type PaymentsClient, paymentsClient, startPaymentsServer } from '../../../support/payments';

const afterTest = closeAfterEach();
let graylane: Graylane;
let base: string;
/** Held, since a channel that nobody holds is let go. */
let client: PaymentsClient;

beforeEach(async () => {
  const server = afterTest(await startPaymentsServer(), (each) => each.kill());
  graylane = afterTest(
    createGraylane({
      consul: { address: 'http://127.0.0.1:9', token: 'very-secret-token' },
      instances: { payments: [{ id: 'p1', address: server.host, port: server.port, tags: ['stable'] }] },
      policies: {
        payments: {
          ...GRAY,
          routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
        },
      },
    }),
    (each) => each.close(),
  );
  base = await serve(graylane.adminHandler());
  client = paymentsClient('static:///payments', graylane.clientOptions());
  await charge(client, { 'x-user-id': 'somebody' });
});

async function serve(handler: AdminHandler): Promise<string> {
  const server = afterTest(createServer(handler), (each) => {
    each.closeAllConnections();
    each.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function get(path: string): Promise<{ status: number; body: unknown; text: string }> {
  const response = await fetch(`${base}${path}`);
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text), text };
}

it('serves inspection, explanation, decisions and policy as JSON', async () => {
  const inspection = await get('/inspect');
  expect(inspection.body).toMatchObject({ client: graylane.name, services: [{ service: 'payments' }] });
  const explain = () => graylane.explain('static:///payments', { method: CHARGE, labels: { 'x-gray': 'canary' } });
  // That target is another one than the client's.
  await vi.waitFor(explain);
  const explained = await get(`/debug/explain?service=payments&method=${CHARGE}&label.x-gray=canary`);
  expect(explained.body).toEqual(JSON.parse(JSON.stringify(explain())));
  expect((await get('/decisions')).body).toEqual([
    expect.objectContaining({ method: CHARGE, route: 'default', subset: 'stable', by: 'default', sticky: false }),
  ]);
  expect((await get('/policy?service=payments')).body).toMatchObject({ origin: 'inline', document: { schema: 1 } });
});

it('serves attempts of the last minutes as JSON, of a service or of all', async () => {
  await expect
    .poll(async () => (await get('/traffic?service=payments')).body, { timeout: 15_000 })
    .toEqual([
      {
        ...{ service: 'payments', target: 'static:///payments', stepMs: 5_000, times: [expect.any(Number)] },
        subsets: [{ subset: 'stable', attempts: [1], failed: [0] }],
      },
    ]);
  expect((await get('/traffic?service=other')).body).toEqual([]);
  expect((await get('/traffic')).body).toHaveLength(1);
});

it('keeps secrets and label values to itself', async () => {
  for (const path of ['/inspect', '/decisions', '/traffic', '/policy', `/explain?service=payments&method=${CHARGE}`]) {
    const { text } = await get(path);
    expect(text).not.toContain('very-secret-token');
    expect(text).not.toContain('somebody');
  }
});

it('says what was expected of a bad request, and changes nothing', async () => {
  expect(await get('/nothing')).toMatchObject({ status: 404, body: { error: expect.stringContaining('/inspect') } });
  expect(await get('/explain?service=payments')).toMatchObject({
    status: 400,
    body: { error: 'method: absent (expected: /package.Service/Method)' },
  });
  expect(await get(`/explain?service=other&method=${CHARGE}`)).toMatchObject({
    status: 404,
    body: { error: 'service: unknown (expected: payments)' },
  });
  expect(await get('/policy?service=other')).toMatchObject({ status: 404 });
  const { status } = await fetch(`${base}/policy`, { method: 'POST', body: '{}' });
  expect(status).toBe(405);
  expect(graylane.inspect().services.map(({ service }) => service)).toEqual(['payments']);
});

it('is mounted in Express and Fastify as it is', async () => {
  const app = express();
  app.use('/graylane', graylane.adminHandler());
  const listening = afterTest(app.listen(0, '127.0.0.1'), (each) => {
    each.closeAllConnections();
    each.close();
  });
  await new Promise((resolve) => listening.once('listening', resolve));
  const { port } = listening.address() as AddressInfo;
  expect((await fetch(`http://127.0.0.1:${port}/graylane/decisions`)).status).toBe(200);

  const other = afterTest(fastify(), (each) => each.close());
  const handler = graylane.adminHandler();
  other.get('/graylane/*', (request, reply) => {
    reply.hijack();
    handler(request.raw, reply.raw);
  });
  const address = await other.listen({ port: 0, host: '127.0.0.1' });
  expect((await fetch(`${address}/graylane/inspect`)).status).toBe(200);
});

describe('what a browser asks for', () => {
  const html = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, redirect: 'manual' } as const;

  it('is the page at the root, and JSON for whoever does not ask for a page', async () => {
    const page = await fetch(`${base}/`, html);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('process.js');
    const { status, body } = await get('/');
    expect(status).toBe(200);
    expect(body).toMatchObject({ client: graylane.name, paths: expect.arrayContaining(['/inspect']) });
    // What has an address of its own stays JSON for a browser, too.
    expect((await fetch(`${base}/inspect`, html)).headers.get('content-type')).toContain('application/json');
  });

  it('is led to the slash at the end, under any prefix', async () => {
    const app = express();
    app.use('/ops/graylane', graylane.adminHandler());
    const mounted = await serve(app as unknown as AdminHandler);
    for (const start of [`${mounted}/ops/graylane`, `${base}/debug`]) {
      const first = await fetch(start, html);
      expect(first.status).toBe(307);
      const next = new URL(first.headers.get('location') ?? '', start);
      expect(next.href).toBe(`${start}/`);
      expect((await fetch(next, html)).status).toBe(200);
      expect((await get('/inspect')).status).toBe(200);
    }
  });
});

it('streams to eight pages at once, tells the next one to wait, and ends with the client', async () => {
  const aborted = new AbortController();
  const open = () => fetch(`${base}/stream?service=payments`, { signal: aborted.signal });
  const streams = await Promise.all(Array.from({ length: 8 }, open));
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  const refused = await open();
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('10');
  const texts = streams.map((each) => each.text());
  await graylane.close();
  for (const text of await Promise.all(texts)) expect(text).toMatch(/^event: state\ndata: \{"set":\{/);
  expect((await open()).status).toBe(503);
  aborted.abort();
});
