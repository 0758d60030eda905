import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AcceptOptions, createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import {
  type ChargeReply,
  charge,
  type PaymentsClient,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const ACCEPT: AcceptOptions = { accept: ['x-tag', 'x-gray'], strip: ['x-secret'] };
const CALLS = 400;

const closing = closeAfterEach();

let graylane: Graylane;
let payments: PaymentsClient;
beforeEach(async () => {
  const server = closing(await startPaymentsServer(), ({ kill }) => kill());
  graylane = closing(
    createGraylane({ instances: { payments: [{ address: server.host, port: server.port }] } }),
    (one) => one.close(),
  );
  payments = paymentsClient(graylane.target('payments'), graylane.clientOptions());
});

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing(server, () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A gateway of each framework: reads the body of a POST as that framework does, then calls payments. */
const gateways: Readonly<Record<string, () => Promise<string>>> = {
  'plain http': () => {
    const middleware = graylane.httpMiddleware(ACCEPT);
    return listen((request, response) =>
      middleware(request, response, () => {
        request.on('data', () => {});
        // Called by Node in the context of the connection, were it not for the middleware.
        request.on('end', () => void charge(payments).then((reply) => response.end(JSON.stringify(reply))));
      }),
    );
  },
  Express: () => {
    const app = express();
    app.use(graylane.httpMiddleware(ACCEPT));
    app.use(express.json());
    app.post('/pay', async (_request, response) => void response.json(await charge(payments)));
    return listen(app);
  },
  Fastify: async () => {
    const app = fastify();
    app.addHook('onRequest', graylane.httpMiddleware(ACCEPT));
    app.post('/pay', () => charge(payments));
    closing(app, () => app.close());
    return app.listen({ host: '127.0.0.1', port: 0 });
  },
};

async function pay(url: string, headers: Record<string, string>): Promise<ChargeReply> {
  const body = JSON.stringify({ order: 'o-1', note: 'n'.repeat(2_000) });
  const response = await fetch(`${url}/pay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  return (await response.json()) as ChargeReply;
}

describe.each(Object.keys(gateways))('labels from the headers of HTTP requests, %s', (name) => {
  it('reach the calls that a request leads to, and only those', async () => {
    const url = (await gateways[name]?.()) ?? '';
    const replies = await Promise.all(
      Array.from({ length: CALLS }, (_, index) => pay(url, { 'X-Tag': `tag-${index}`, 'x-other': 'evil' })),
    );
    expect(replies.filter(({ tag }, index) => tag !== `tag-${index}`)).toEqual([]);
    expect(await pay(url, {})).toMatchObject({ tag: '', gray: '' });
  });
});

describe('the middleware', () => {
  /** What a request with these raw headers leads to. */
  async function withHeaders(
    headers: readonly string[],
    read: (request: IncomingMessage) => unknown = () => graylane.ambientLabels(),
  ): Promise<unknown> {
    const middleware = graylane.httpMiddleware(ACCEPT);
    const url = await listen((request, response) =>
      middleware(request, response, () => response.end(JSON.stringify(read(request)))),
    );
    return new Promise((resolve, reject) => {
      const request = httpRequest(url, { headers: ['host', 'gateway', ...headers] }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(JSON.parse(text)));
      });
      request.on('error', reject).end();
    });
  }

  it('takes what is accepted and nothing else', async () => {
    expect(await withHeaders(['X-Gray', 'canary', 'x-other', 'o'])).toEqual({ 'x-gray': 'canary' });
  });

  it('takes a header that came twice for absent, and one that is no plain text', async () => {
    expect(await withHeaders(['x-gray', 'canary', 'X-Gray', 'stable', 'x-tag', 't'])).toEqual({ 'x-tag': 't' });
    expect(await withHeaders(['x-gray', 'caf\u00e9', 'x-tag', 't'])).toEqual({ 'x-tag': 't' });
    expect(graylane.inspect().refusedLabels).toEqual({ 'x-gray': 2 });
  });

  it('hides what is to be stripped from headers and rawHeaders alike', async () => {
    const read = ({ headers, rawHeaders, headersDistinct }: IncomingMessage): unknown => [
      headers,
      rawHeaders,
      headersDistinct,
    ];
    const seen = JSON.stringify(await withHeaders(['X-Secret', 'hidden', 'x-kept', 'kept'], read));
    expect(seen).not.toContain('hidden');
    expect(seen.match(/"kept"/g)).toHaveLength(3);
  });

  it('holds the context in events of the response too', async () => {
    const middleware = graylane.httpMiddleware(ACCEPT);
    const finished: unknown[] = [];
    const url = await listen((request, response) =>
      middleware(request, response, () => {
        response.on('close', () => finished.push(graylane.ambientLabels()));
        response.end('{}');
      }),
    );
    await Promise.all(['a', 'b'].map((tag) => pay(url, { 'x-tag': tag })));
    await expect.poll(() => finished).toHaveLength(2);
    expect(finished).toEqual(expect.arrayContaining([{ 'x-tag': 'a' }, { 'x-tag': 'b' }]));
  });

  it('works with requests that are no more than headers, as test tools make them', () => {
    const middleware = graylane.httpMiddleware(ACCEPT);
    const labels: unknown[] = [];
    const run = (headers: Record<string, string | string[]>): void =>
      middleware({ headers }, {}, () => labels.push(graylane.ambientLabels()));
    run({ 'x-gray': 'canary' });
    run({ 'x-gray': ['canary', 'stable'] });
    run({ 'x-gray': ['canary'] });
    expect(labels).toEqual([{ 'x-gray': 'canary' }, {}, { 'x-gray': 'canary' }]);
  });

  it('lets what a request handler throws out as it is', () => {
    const middleware = graylane.httpMiddleware(ACCEPT);
    const next = (): never => {
      throw new Error('of the handler');
    };
    expect(() => middleware({ headers: {} }, {}, next)).toThrow('of the handler');
  });
});
