import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, GraylaneError, type GraylaneOptions } from '../../../src/index';
import { createAuthority } from '../../support/certificates';
import { closeAfterEach } from '../../support/closers';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const opened = closeAfterEach();
const authority = createAuthority();
const credentials = grpc.credentials.createSsl(Buffer.from(authority.ca));
const META = 'tls-server-name';

/** A server whose certificate is for one name. */
async function serve(name: string): Promise<PaymentsServer> {
  const { cert, key } = authority.issue({ names: [name] });
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  const ssl = grpc.ServerCredentials.createSsl(null, [pair]);
  return opened(await startPaymentsServer({ name }, '127.0.0.1', 0, ssl), (server) => server.kill());
}

const instance = ({ name, host, port }: PaymentsServer, serverName: string | undefined = name) => ({
  id: name,
  address: host,
  port,
  meta: { [META]: serverName },
});

function open(servers: readonly PaymentsServer[], options: GraylaneOptions): Graylane {
  const instances = { payments: servers.map((server) => instance(server)) };
  return opened(createGraylane({ instances, ...options }), (graylane) => graylane.close());
}

function connect(graylane: Graylane, options: grpc.ClientOptions = {}): PaymentsClient {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions(options), credentials);
  return opened(client, (each) => each.close());
}

async function servedBy(client: PaymentsClient, calls = 40): Promise<readonly string[]> {
  const names = new Set<string>();
  for (let call = 0; call < calls; call += 1) names.add((await charge(client)).servedBy);
  return [...names].sort();
}

const failureOf = (graylane: Graylane, id: string): string | undefined =>
  graylane.inspect().services[0]?.endpoints.find((each) => each.instance === id)?.failure;

describe('mutual TLS', () => {
  it('is what the credentials of the client say, at every instance', async () => {
    const own = authority.issue({ names: ['orders'] });
    const serving = async (name: string): Promise<PaymentsServer> => {
      const { cert, key } = authority.issue({ names: ['payments'] });
      const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
      const ssl = grpc.ServerCredentials.createSsl(Buffer.from(authority.ca), [pair], true);
      return opened(await startPaymentsServer({ name }, '127.0.0.1', 0, ssl), (server) => server.kill());
    };
    const servers = [await serving('p1'), await serving('p2')];
    const graylane = open(servers, {});
    const [ca, key, cert] = [authority.ca, own.key, own.cert].map((pem) => Buffer.from(pem));
    const mutual = grpc.credentials.createSsl(ca, key, cert);
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions(), mutual), (one) =>
      one.close(),
    );
    await graylane.ready('payments');
    expect(await servedBy(client)).toEqual(['p1', 'p2']);
    const without = connect(graylane);
    await expect(charge(without, {}, { deadline: Date.now() + 1000 })).rejects.toThrow(
      /the server refuses our certificate, or wants one|ECONNRESET/,
    );
  });
});

describe('the name that an instance must prove to have', () => {
  it('is the one of the service, whatever its meta says', async () => {
    const servers = [await serve('payments'), await serve('one.example'), await serve('two.example')];
    const graylane = open(servers, {});
    const client = connect(graylane);
    expect(await servedBy(client)).toEqual(['payments']);
    expect(servers[0]?.authority).toBe('payments');
    expect(failureOf(graylane, 'one.example')).toContain("does not match certificate's altnames");
    expect(servers[1]?.sessions.opened).toBe(0);
  });

  it('is its own where the operator believes meta: certificate, server name and authority', async () => {
    const servers = [await serve('one.example'), await serve('two.example')];
    const graylane = open(servers, { authority: { fromMeta: META } });
    const client = connect(graylane);
    await graylane.ready('payments');
    expect(await servedBy(client)).toEqual(['one.example', 'two.example']);
    expect(servers.map((server) => server.authority)).toEqual(['one.example', 'two.example']);
  });

  it('follows the meta: one that lies is not connected, alone, and one that is mended comes back', async () => {
    const servers = [await serve('one.example'), await serve('two.example')] as const;
    const graylane = open(servers, { authority: { fromMeta: META } });
    const client = connect(graylane);
    await graylane.ready('payments');
    expect(await servedBy(client)).toHaveLength(2);
    graylane.setInstances('payments', [instance(servers[0]), instance(servers[1], 'else.example')]);
    await expect.poll(() => failureOf(graylane, 'two.example')).toContain("does not match certificate's altnames");
    expect(await servedBy(client)).toEqual(['one.example']);
    expect(failureOf(graylane, 'one.example')).toBeUndefined();
    expect(servers[0].sessions.opened).toBe(1);
    graylane.setInstances('payments', [instance(servers[0]), instance(servers[1])]);
    await expect.poll(async () => await servedBy(client)).toEqual(['one.example', 'two.example']);
  });

  it('is not taken from meta that is no name: then it is the one of the service', async () => {
    const server = await serve('payments');
    const graylane = open([], { authority: { fromMeta: META } });
    const client = connect(graylane);
    for (const text of ['10.0.0.1', '', 'a b', '-x', 'x'.repeat(300)]) {
      graylane.setInstances('payments', [instance(server, text)]);
      expect(await servedBy(client, 1)).toEqual(['payments']);
    }
    expect(server.sessions.opened).toBe(1);
  });

  it('is the one of the channel options where they give one', async () => {
    const servers = [await serve('one.example'), await serve('two.example')];
    const graylane = open(servers, { authority: { fromMeta: META } });
    const client = connect(graylane, { 'grpc.ssl_target_name_override': 'two.example' });
    expect(await servedBy(client)).toEqual(['two.example']);
    expect(servers[1]?.authority).toBe('payments');
    expect(failureOf(graylane, 'one.example')).toBeDefined();
  });

  it('is not changed by grpc.default_authority, which is what calls bear', async () => {
    const server = await serve('payments');
    const client = connect(open([server], {}), { 'grpc.default_authority': 'front.example' });
    expect(await servedBy(client, 1)).toEqual(['payments']);
    expect(server.authority).toBe('front.example');
  });

  it('is refused when it is not said which key of meta holds it', () => {
    for (const given of [{}, { fromMeta: '' }, { fromMeta: 7 }, 'meta', null, { fromMeta: 'x', more: 1 }]) {
      expect(() => createGraylane({ authority: given } as never)).toThrow(GraylaneError);
      expect(() => createGraylane({ authority: given } as never)).toThrow('(expected: { fromMeta: ');
    }
  });
});
