import { AsyncLocalStorage } from 'node:async_hooks';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { createAuthority } from '../../support/certificates';
import { closeAfterEach } from '../../support/closers';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const CALLERS = 20;

const closing = closeAfterEach();
const user = new AsyncLocalStorage<string>();

/** Puts whoever is asking into the metadata, as a token of that user would be. */
const whoAsks = grpc.credentials.createFromMetadataGenerator((_options, done) => {
  const metadata = new grpc.Metadata();
  metadata.set('x-gray', user.getStore() ?? 'nobody');
  done(null, metadata);
});

const authority = createAuthority();
const pair = authority.issue({ names: ['localhost', '127.0.0.1'] });
const ssl = grpc.credentials.createSsl(Buffer.from(authority.ca));

/** Where credentials are given that are made anew for each call. */
const PLACES: Readonly<
  Record<string, { readonly channel: grpc.ChannelCredentials; readonly call: grpc.CallCredentials | undefined }>
> = {
  'with the call': { channel: ssl, call: whoAsks },
  'with the channel': { channel: grpc.credentials.combineChannelCredentials(ssl, whoAsks), call: undefined },
  'with both': {
    channel: grpc.credentials.combineChannelCredentials(ssl, whoAsks),
    call: grpc.credentials.createFromMetadataGenerator((_options, done) => done(null, new grpc.Metadata())),
  },
};

/** A single server that fails for a while is called on. */
const policy: PolicyDocument = {
  schema: 1,
  service: 'payments',
  subsets: { all: {} },
  default: 'all',
  retry: { maxAttempts: 5, initialBackoffMs: 100, maxBackoffMs: 500 },
  retryBudget: { percent: 100, minPerSecond: 10_000 },
  breaker: { volumeThreshold: 1_000_000, consecutiveFailures: 0, silentFailures: 0 },
};

async function open(channel: grpc.ChannelCredentials): Promise<{ server: PaymentsServer; client: PaymentsClient }> {
  const credentials = grpc.ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.key) },
  ]);
  const server = closing(await startPaymentsServer({}, '127.0.0.1', 0, credentials), (one) => one.kill());
  const graylane = closing(
    createGraylane({
      instances: { payments: [{ address: server.host, port: server.port }] },
      policies: { payments: policy },
    }),
    (one) => one.close(),
  );
  const options = graylane.clientOptions({ 'grpc.ssl_target_name_override': 'localhost' });
  return { server, client: user.run('opener', () => paymentsClient(graylane.target('payments'), options, channel)) };
}

/** Callers at once, each a user of its own; gives those that were taken for another. */
async function mistaken(client: PaymentsClient, credentials: grpc.CallCredentials | undefined): Promise<string[]> {
  const deadline = Date.now() + 20_000;
  const options = credentials === undefined ? { deadline } : { deadline, credentials };
  const replies = await Promise.all(
    Array.from({ length: CALLERS }, (_, index) => user.run(`user-${index}`, () => charge(client, {}, options))),
  );
  return replies.filter(({ gray }, index) => gray !== `user-${index}`).map(({ gray }) => gray);
}

describe.each(Object.entries(PLACES))('call credentials given %s are made in the context of the caller', (_, place) => {
  it('when the call waited for a connection, and over one that is there', async () => {
    const { client } = await open(place.channel);
    expect(await mistaken(client, place.call)).toEqual([]);
    expect(await mistaken(client, place.call)).toEqual([]);
  });

  it('when the call was retried', async () => {
    const { client, server } = await open(place.channel);
    await user.run('opener', () => charge(client, {}, place.call === undefined ? {} : { credentials: place.call }));
    server.behave({ code: grpc.status.UNAVAILABLE });
    const before = server.calls;
    const calls = mistaken(client, place.call);
    await expect.poll(() => server.calls - before, { interval: 1 }).toBeGreaterThanOrEqual(CALLERS);
    server.behave(undefined);
    expect(await calls).toEqual([]);
  });
});
