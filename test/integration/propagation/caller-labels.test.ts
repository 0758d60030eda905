import { createServer, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane, type Graylane, type ServerInterceptorOptions } from '../../../src/index';
import { createAuthority } from '../../support/certificates';
import { closeAfterEach } from '../../support/closers';
import { charge, Payments, type PaymentsClient, paymentsClient, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();

const POLICY = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  routes: [
    { name: 'cookie', match: { labels: { 'cookie:Group': 'canary' } }, to: 'canary' },
    { name: 'orders', match: { labels: { 'x-caller': 'spiffe://prod/orders' } }, to: 'canary' },
    { name: 'office', match: { labels: { 'x-address': { cidr: '192.0.2.0/24' } } }, to: 'canary' },
  ],
} as const;

async function world(): Promise<{ readonly graylane: Graylane; readonly payments: PaymentsClient }> {
  const tags = ['stable', 'canary'];
  const servers = await Promise.all(
    tags.map(async (tag) => closing(await startPaymentsServer({ name: tag }), ({ kill }) => kill())),
  );
  const instances = servers.map(({ host: address, port }, at) => ({ address, port, tags: [tags[at] ?? ''] }));
  const graylane = closing(
    createGraylane({ instances: { payments: instances }, policies: { payments: POLICY } }),
    (one) => one.close(),
  );
  const payments = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  return { graylane, payments };
}

/** A server whose answers name the version that the call to payments went to. */
async function edge(
  { graylane, payments }: Awaited<ReturnType<typeof world>>,
  options: ServerInterceptorOptions,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<string> {
  const server = new grpc.Server({ interceptors: [graylane.serverInterceptor(options)] });
  server.addService(Payments.service, {
    charge: (_call: unknown, answer: grpc.sendUnaryData<unknown>) =>
      void charge(payments).then((reply) =>
        answer(null, { ...reply, order: graylane.ambientLabels()['cookie'] ?? '' }),
      ),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  closing(server, () => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

function metadataOf(labels: Readonly<Record<string, string>>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(labels)) metadata.set(key, value);
  return metadata;
}

it('a cookie decides, of the call itself and of the one that is served', async () => {
  const { graylane, payments } = await world();
  const of = async (client: PaymentsClient, cookie: string): Promise<string> =>
    (await charge(client, metadataOf({ cookie }))).servedBy;
  const [stable, canary] = [await of(payments, 'a=1'), await of(payments, 'a=1; group="canary"')];
  expect(canary).not.toBe(stable);
  const explained = graylane.explain('payments', {
    method: '/shop.v1.Payments/Charge',
    labels: { 'cookie:group': 'canary' },
  });
  expect(explained.routing.decision).toMatchObject({ route: 'cookie', subset: 'canary' });

  const address = await edge({ graylane, payments }, { accept: ['cookie:group'] });
  const caller = closing(paymentsClient(address), (one) => one.close());
  expect(await of(caller, 'a=1; group=canary')).toBe(canary);
  expect(await of(caller, 'group=canary; group=stable')).toBe(stable);
  expect(await of(caller, 'a=1; GROUP=canary; session=s')).toBe(canary);
  const reply = await charge(caller, metadataOf({ cookie: 'session=secret; group=canary' }));
  expect(reply.order).toBe('group=canary');
});

it('a policy sees what the certificate of the caller proves, and nobody can say it of himself', async () => {
  const { graylane, payments } = await world();
  const authority = createAuthority();
  const own = authority.issue({ names: ['127.0.0.1'] });
  const credentials = grpc.ServerCredentials.createSsl(
    Buffer.from(authority.ca),
    [{ private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.cert) }],
    true,
  );
  const options = { accept: [], caller: { identity: 'x-caller' } };
  const address = await edge({ graylane, payments }, options, credentials);
  const servedTo = async (names: readonly string[], labels: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { key, cert } = authority.issue({ names });
    const [ca, ...pair] = [authority.ca, key, cert].map((pem) => Buffer.from(pem));
    const client = new Payments(address, grpc.credentials.createSsl(ca, pair[0], pair[1])) as unknown as PaymentsClient;
    closing(client, (one) => one.close());
    return (await charge(client, metadataOf(labels))).servedBy;
  };
  const stable = await servedTo(['reports.internal']);
  expect(await servedTo(['orders.internal', 'spiffe://prod/orders'])).not.toBe(stable);
  expect(await servedTo(['reports.internal'], { 'x-caller': 'spiffe://prod/orders' })).toBe(stable);

  const plain = await edge({ graylane, payments }, options);
  const stranger = closing(paymentsClient(plain), (one) => one.close());
  expect((await charge(stranger, metadataOf({ 'x-caller': 'spiffe://prod/orders' }))).servedBy).toBe(stable);
});

it('a policy sees the address that a trusted proxy forwards', async () => {
  const { graylane, payments } = await world();
  const caller = { address: 'x-address' };
  const trusting = await edge(
    { graylane, payments },
    { accept: [], caller: { ...caller, trustedProxies: ['127.0.0.0/8'] } },
  );
  const wary = await edge({ graylane, payments }, { accept: [], caller });
  const servedBy = async (address: string, labels: Readonly<Record<string, string>>): Promise<string> => {
    const client = closing(paymentsClient(address), (one) => one.close());
    return (await charge(client, metadataOf(labels))).servedBy;
  };
  const forwarded = { 'x-forwarded-for': '192.0.2.7' };
  const stable = await servedBy(trusting, {});
  expect(await servedBy(trusting, forwarded)).not.toBe(stable);
  expect(await servedBy(trusting, { 'x-forwarded-for': '192.0.2.7, 203.0.113.1' })).toBe(stable);
  expect(await servedBy(trusting, { 'x-address': '192.0.2.7' })).toBe(stable);
  expect(await servedBy(wary, forwarded)).toBe(stable);
});

it('the middleware for HTTP knows the same of its callers', async () => {
  const { graylane } = await world();
  const authority = createAuthority();
  const own = authority.issue({ names: ['127.0.0.1'] });
  const middleware = graylane.httpMiddleware({
    accept: ['cookie:group'],
    caller: { address: 'x-address', identity: 'x-caller', trustedProxies: ['127.0.0.1'] },
  });
  const server = createServer(
    { ...own, ca: authority.ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => middleware(request, response, () => response.end(JSON.stringify(graylane.ambientLabels()))),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing(server, () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const labels = (issuer = authority): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const headers = { cookie: 'session=s; group=canary', 'x-forwarded-for': '6.6.6.6, 192.0.2.9' };
      const identity = issuer.issue({ names: ['orders.internal'] });
      const options = { host: '127.0.0.1', port, ca: authority.ca, headers, agent: false, ...identity };
      get(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(JSON.parse(text)));
      }).on('error', reject);
    });
  const known = { cookie: 'group=canary', 'x-address': '192.0.2.9' };
  expect(await labels()).toEqual({ ...known, 'x-caller': 'orders.internal' });
  expect(await labels(createAuthority('a stranger'))).toEqual(known);
});
