import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane } from '../../src/index';
import { createAuthority, type IssueOptions } from '../support/certificates';
import { closeAfterEach } from '../support/closers';
import { printFact } from '../support/figure';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../support/payments';

const opened = closeAfterEach();
const authority = createAuthority();

async function serve(name: string, options: Partial<IssueOptions> = {}, port = 0): Promise<PaymentsServer> {
  const { cert, key } = authority.issue({ names: ['payments'], ...options });
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  const credentials = grpc.ServerCredentials.createSsl(null, [pair]);
  return opened(await startPaymentsServer({ name }, '127.0.0.1', port, credentials), (server) => server.kill());
}

it('one instance whose certificate expired is left out, with the reason, and the others serve everything', async () => {
  const expired = await serve('expired', { validForMs: -60_000 });
  const plain = opened(await startPaymentsServer({ name: 'plain' }), (server) => server.kill());
  const servers = [await serve('good-1'), await serve('good-2'), expired, plain];
  const graylane = opened(
    createGraylane({
      instances: { payments: servers.map(({ name, host, port }) => ({ id: name, address: host, port })) },
    }),
    (each) => each.close(),
  );
  const credentials = grpc.credentials.createSsl(Buffer.from(authority.ca));
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions(), credentials);
  const served = new Map<string, number>();
  for (let call = 0; call < 200; call += 1) {
    const { servedBy } = await charge(client);
    served.set(servedBy, (served.get(servedBy) ?? 0) + 1);
  }
  expect([...served.keys()].sort()).toEqual(['good-1', 'good-2']);
  expect([expired.calls, plain.calls]).toEqual([0, 0]);
  const failures = new Map(graylane.inspect().services[0]?.endpoints.map((each) => [each.instance, each.failure]));
  expect(failures.get('expired')).toContain('certificate has expired');
  // No TLS there, so no call either: nothing is ever sent in the clear instead.
  expect(failures.get('plain')).toBeDefined();
  expect([failures.get('good-1'), failures.get('good-2')]).toEqual([undefined, undefined]);

  const only = graylane.with({ force: { instance: 'expired' } }, () => charge(client));
  await expect(only).rejects.toMatchObject({
    code: grpc.status.UNAVAILABLE,
    details: expect.stringContaining('certificate has expired'),
  });

  expired.kill();
  const renewedAtMs = performance.now();
  await serve('renewed', {}, expired.port);
  await expect.poll(async () => (await charge(client)).servedBy, { timeout: 20_000, interval: 5 }).toBe('renewed');
  const backAfterMs = performance.now() - renewedAtMs;
  printFact('certificate renewed', `serves again after ${(backAfterMs / 1000).toFixed(1)} s`);
  printFact('one of four certificates expired, one instance in plaintext', '0 of 200 calls lost, 0 sent to either');
});
