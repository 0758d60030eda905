import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ours from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, registerWith } from '../../../src/index';
import {
  type ChargeReply,
  Payments,
  type PaymentsClient,
  type PaymentsServer,
  startPaymentsServer,
} from '../../support/payments';
import { type SecondCopy, secondCopyOfGrpc } from './second-copy';

let server: PaymentsServer;
let copy: SecondCopy;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  copy = secondCopyOfGrpc();
  server = await startPaymentsServer({ name: 'p1' });
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(() => {
  server.kill();
  copy.remove();
});

function open(options: { readonly grpc?: typeof ours } = {}): Graylane {
  const graylane = createGraylane({
    instances: { payments: [{ address: server.host, port: server.port }] },
    ...options,
  });
  closers.push(() => graylane.close());
  return graylane;
}

/** A client as the second copy makes it from the same service definition. */
function theirClient(target: string, options: ours.ClientOptions = {}): PaymentsClient {
  const TheirPayments = copy.grpc.makeGenericClientConstructor(Payments.service, 'Payments');
  const client = new TheirPayments(
    target,
    copy.grpc.credentials.createInsecure(),
    options,
  ) as unknown as PaymentsClient;
  closers.push(() => client.close());
  return client;
}

function charge(client: PaymentsClient, metadata: ours.Metadata): Promise<ChargeReply> {
  const options = { deadline: Date.now() + 3_000 };
  return new Promise((resolve, reject) =>
    client.charge({ order: 'o' }, metadata, options, (error, reply) =>
      error === null ? resolve(reply) : reject(error),
    ),
  );
}

describe('with a second copy of grpc-js in the tree', () => {
  it('the copies are two', () => {
    expect(copy.grpc.Metadata).not.toBe(ours.Metadata);
  });

  it('a Graylane client that is handed the copy works with its clients, metadata and async context', async () => {
    const graylane = open({ grpc: copy.grpc });
    const metadata = graylane.metadata({ 'x-gray': 'canary' });
    expect(metadata).toBeInstanceOf(copy.grpc.Metadata);
    const client = theirClient(graylane.target('payments'), graylane.clientOptions());
    const reply = await graylane.with({ labels: { 'x-tag': 'scope' } }, () => charge(client, metadata));
    expect(reply).toMatchObject({ servedBy: 'p1', gray: 'canary', tag: 'scope' });
  });

  it('their client works over a channel of a Graylane client that knows nothing of the copy', async () => {
    const graylane = open();
    const channelOverride = graylane.channel('payments', ours.credentials.createInsecure());
    const client = theirClient('unused', { channelOverride });
    const metadata = new copy.grpc.Metadata();
    metadata.set('x-gray', 'canary');
    const reply = await graylane.with({ labels: { 'x-tag': 'scope' } }, () => charge(client, metadata));
    expect(reply).toMatchObject({ servedBy: 'p1', gray: 'canary', tag: 'scope' });
  });

  it('their client with options of such a Graylane client is refused when it is made, by the name of the cause', () => {
    const graylane = open();
    const make = (): unknown => theirClient(graylane.target('payments'), graylane.clientOptions());
    expect(make).toThrow(expect.objectContaining({ code: 'GRPC_MISMATCH' }));
    expect(make).toThrow(/another copy of @grpc\/grpc-js.*createGraylane\({ grpc }\)/);
  });

  it('their client with a bare target fails with a text that the page of troubles quotes, until registerWith()', async () => {
    // A copy that no test before has taught anything.
    const untaught = secondCopyOfGrpc();
    closers.push(untaught.remove);
    const Fresh = untaught.grpc.makeGenericClientConstructor(Payments.service, 'Payments');
    const bare = (target: string): PaymentsClient => {
      const made = new Fresh(target, untaught.grpc.credentials.createInsecure()) as unknown as PaymentsClient;
      closers.push(() => made.close());
      return made;
    };
    open();
    const failure = await charge(bare('consul:///payments'), new untaught.grpc.Metadata()).catch(
      (error: ours.ServiceError) => error,
    );
    const { details } = failure as ours.ServiceError;
    expect(details).toContain('Failed to parse DNS address dns:consul:///payments');
    const page = readFileSync(join(__dirname, '..', '..', '..', 'docs', 'troubleshooting.md'), 'utf8');
    expect(page).toContain('Failed to parse DNS address dns:consul:///payments');

    registerWith(untaught.grpc);
    expect(await charge(bare('static:///payments'), new untaught.grpc.Metadata())).toMatchObject({ servedBy: 'p1' });
  });
});
