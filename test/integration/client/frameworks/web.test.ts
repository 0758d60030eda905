import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { graylaneExpress } from '../../../../src/express';
import { graylaneFastify } from '../../../../src/fastify';
import { createGraylane, type Graylane, GraylaneError } from '../../../../src/index';
import { closeAfterEach } from '../../../support/closers';

const opened = closeAfterEach();

function client(): Graylane {
  const instances = { payments: [{ address: '127.0.0.1', port: 9 }] };
  return opened(createGraylane({ instances }), (each) => each.close());
}

interface Started {
  readonly url: string;
  readonly graylane: Graylane;
}

const frameworks: readonly (readonly [
  name: string,
  start: (accept: readonly string[], adminHosts?: readonly string[]) => Promise<Started>,
])[] = [
  [
    'Express',
    async (accept, adminHosts = []) => {
      const graylane = client();
      const app = express();
      app.use(graylaneExpress({ graylane, accept, adminPath: '/ops/graylane', adminHosts }));
      app.get('/labels', (_request, response) => void response.json(graylane.logFields()));
      const server = opened(app.listen(0, '127.0.0.1'), (each) => void each.close());
      await new Promise((resolve) => server.once('listening', resolve));
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, graylane };
    },
  ],
  [
    'Fastify',
    async (accept, adminHosts = []) => {
      const graylane = client();
      const app = opened(fastify(), (each) => each.close());
      app.register(graylaneFastify, { client: graylane, accept, adminPath: '/ops/graylane', adminHosts });
      app.register(async (part) => {
        part.get('/labels', async () => graylane.logFields());
      });
      return { url: await app.listen({ port: 0, host: '127.0.0.1' }), graylane };
    },
  ],
];

describe.each(frameworks)('the plugin of %s', (_, start) => {
  it('leads a browser to the page, and to what the page loads', async () => {
    const { url } = await start([]);
    const page = await fetch(`${url}/ops/graylane`, { headers: { accept: 'text/html' } });
    expect(page.url).toBe(`${url}/ops/graylane/`);
    const script = /src="(\w+\.js)"/.exec(await page.text())?.[1] ?? '';
    const loaded = await fetch(new URL(script, page.url));
    expect([loaded.status, loaded.headers.get('content-type')]).toEqual([200, 'text/javascript; charset=utf-8']);
  });

  it('reads the labels that are accepted, and no others', async () => {
    const { url } = await start(['x-gray']);
    const headers = { 'x-gray': 'canary', 'x-other': 'no' };
    const fields = JSON.stringify(await (await fetch(`${url}/labels`, { headers })).json());
    expect(fields).toContain('canary');
    expect(fields).not.toContain('x-other');
  });

  it('serves the admin handler under its path, and nothing of it elsewhere', async () => {
    const { url } = await start([]);
    const inspected = await (await fetch(`${url}/ops/graylane/inspect`)).json();
    expect(inspected).toMatchObject({ services: [] });
    expect((await fetch(`${url}/inspect`)).status).toBe(404);
    expect((await fetch(`${url}/ops/graylane-other/inspect`)).status).toBe(404);
  });
});

describe.each(frameworks)('the plugin of %s behind a name', (_, start) => {
  it('answers under the names that it was given, and under no other', async () => {
    const { url } = await start([], ['orders.internal']);
    const statusUnder = (host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const request = get(`${url}/ops/graylane/inspect`, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        request.once('error', reject);
      });
    expect(await statusUnder('orders.internal')).toBe(200);
    expect(await statusUnder('Orders.internal:8443')).toBe(200);
    expect(await statusUnder('127.0.0.1')).toBe(200);
    expect(await statusUnder('evil.example')).toBe(403);
  });
});

describe('the plugin of Fastify', () => {
  it('offers the client, and closes the one that it has made', async () => {
    const app = fastify();
    app.register(graylaneFastify, { client: { instances: { payments: [{ address: '127.0.0.1', port: 9 }] } } });
    await app.ready();
    const { graylane } = app as unknown as { readonly graylane: Graylane };
    expect(graylane.inspect().services).toEqual([]);
    await app.close();
    await expect(graylane.ready('payments')).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });

  it('leaves a client open that somebody else made', async () => {
    const graylane = client();
    const app = fastify();
    app.register(graylaneFastify, { client: graylane });
    await app.close();
    await expect(graylane.ready('payments')).resolves.toBeUndefined();
  });
});

describe('a path for the admin handler', () => {
  const bad = ['graylane', '/', '/a/', '/a*', '/a b', '', 7];
  it.each(bad)('%j is refused', async (adminPath) => {
    const graylane = client();
    const options = { graylane, adminPath: adminPath as string };
    expect(() => graylaneExpress(options)).toThrow(/graylaneExpress\.adminPath: .*\(expected: a path such as/);
    const app = fastify();
    app.register(graylaneFastify, { client: graylane, adminPath: adminPath as string });
    await expect(app.ready()).rejects.toSatisfy((error) => GraylaneError.is(error));
  });
});
