import * as grpc from '@grpc/grpc-js';
import { beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { channelzTo } from '../../support/channelz';
import { closeAfterEach } from '../../support/closers';
import { heapKb } from '../../support/cost';
import {
  CHARGE,
  type ChargeReply,
  charge,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const closing = closeAfterEach();
let server: PaymentsServer;
let count = 0;

beforeEach(async () => {
  server = closing(await startPaymentsServer({ name: 'a' }), (one) => one.kill());
});

/** A service of its own for each test, so that channelz tells its channels apart. */
function open(): { readonly graylane: Graylane; readonly target: string } {
  count += 1;
  const service = `payments-${count}`;
  const instances = { [service]: [{ address: server.host, port: server.port }] };
  const graylane = closing(createGraylane({ instances }), (opened) => opened.close());
  return { graylane, target: graylane.target(service) };
}

/** Collects garbage until `done`, a turn of the event loop at a time: finalizers run in turns of their own. */
async function whenCollected(done: () => boolean): Promise<void> {
  await expect
    .poll(() => {
      heapKb();
      return done();
    })
    .toBe(true);
}

async function collectForAWhile(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    heapKb();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a channel', () => {
  it('that nobody holds any more is closed, though it was not idle yet', async () => {
    const { graylane, target } = open();
    for (let made = 0; made < 20; made += 1) await charge(paymentsClient(target, graylane.clientOptions()));
    expect(channelzTo(target).length).toBeGreaterThan(0);
    await whenCollected(() => channelzTo(target).length === 0);
    await expect.poll(() => graylane.inspect().services[0]?.endpoints[0]?.connections).toEqual([]);
  });

  it('that was never used is let go of, too', async () => {
    const { graylane, target } = open();
    (() => {
      for (let made = 0; made < 20; made += 1) paymentsClient(target, graylane.clientOptions());
    })();
    expect(channelzTo(target)).toHaveLength(20);
    await whenCollected(() => channelzTo(target).length === 0);
  });

  it('that its user holds stays as it is', async () => {
    const { graylane, target } = open();
    const held = paymentsClient(target, graylane.clientOptions());
    const channel = graylane.channel(target, grpc.credentials.createInsecure());
    await charge(held);
    await collectForAWhile();
    expect(channelzTo(target)).toHaveLength(2);
    expect((await charge(held)).servedBy).toBe('a');
    expect(channel.getConnectivityState(true)).not.toBe(grpc.connectivityState.SHUTDOWN);
    await graylane.ready(target);
    expect(channel.getConnectivityState(false)).toBe(grpc.connectivityState.READY);
  });

  const metadata = new grpc.Metadata();
  const inFlight: Record<string, (graylane: Graylane, target: string, mayEnd: Promise<void>) => Promise<string>> = {
    'unary call': (graylane, target) => {
      server.behave({ delayMs: 2_000 });
      return charge(paymentsClient(target, graylane.clientOptions())).then(({ servedBy }) => servedBy);
    },
    'stream of responses': (graylane, target) =>
      new Promise((resolve, reject) => {
        let last = '';
        paymentsClient(target, graylane.clientOptions())
          .watch({ count: 20, intervalMs: 100 })
          .on('data', (reply: ChargeReply) => {
            last = reply.servedBy;
          })
          .once('end', () => resolve(last))
          .once('error', reject);
      }),
    'stream of requests': (graylane, target, mayEnd) =>
      new Promise((resolve, reject) => {
        const stream = paymentsClient(target, graylane.clientOptions()).upload(metadata, (error, reply) =>
          error === null ? resolve(reply.servedBy) : reject(error),
        );
        stream.write({});
        void mayEnd.then(() => stream.end());
      }),
    'stream both ways': (graylane, target, mayEnd) =>
      new Promise((resolve, reject) => {
        const stream = paymentsClient(target, graylane.clientOptions()).converse();
        stream.once('error', reject);
        stream.on('data', (reply: ChargeReply) => {
          stream.end();
          stream.once('end', () => resolve(reply.servedBy));
        });
        void mayEnd.then(() => stream.write({}));
      }),
  };
  for (const [kind, start] of Object.entries(inFlight)) {
    it(`is held by its ${kind} in flight, and let go of after that`, async () => {
      const { graylane, target } = open();
      let isOpen = true;
      let end = (): void => {};
      const mayEnd = new Promise<void>((resolve) => {
        end = resolve;
      });
      const served = start(graylane, target, mayEnd).finally(() => {
        isOpen = false;
      });
      await collectForAWhile();
      expect(isOpen).toBe(true);
      expect(channelzTo(target)).toHaveLength(1);
      end();
      expect(await served).toBe('a');
      await whenCollected(() => channelzTo(target).length === 0);
    });
  }

  // Clients of grpc-js hold their channel from each call; a call that is made on the channel itself must do so, too.
  const waiting: Record<string, (graylane: Graylane, target: string) => Promise<number>> = {
    "a client's call": (graylane, target) =>
      new Promise((resolve) =>
        paymentsClient(target, graylane.clientOptions()).charge(
          {},
          new grpc.Metadata({ waitForReady: true }),
          { deadline: Date.now() + 10_000 },
          (error) => resolve(error?.code ?? grpc.status.OK),
        ),
      ),
    'a call made on the channel itself': (graylane, target) =>
      new Promise((resolve) => {
        const channel = graylane.channel(target, grpc.credentials.createInsecure());
        const call = channel.createCall(CHARGE, Date.now() + 10_000, null, null, null);
        call.start(new grpc.Metadata({ waitForReady: true }), {
          onReceiveMetadata() {},
          onReceiveMessage() {},
          onReceiveStatus: ({ code }) => resolve(code),
        });
        call.sendMessageWithContext({}, Buffer.alloc(0));
        call.halfClose();
        call.startRead();
      }),
  };
  it.each(Object.entries(waiting))('is held by %s that waits for an instance', async (_what, start) => {
    const { graylane, target } = open();
    const service = target.slice(target.lastIndexOf('/') + 1);
    graylane.setInstances(service, []);
    const code = start(graylane, target);
    await collectForAWhile();
    expect(channelzTo(target)).toHaveLength(1);
    graylane.setInstances(service, [{ address: server.host, port: server.port }]);
    expect(await code).toBe(grpc.status.OK);
    await whenCollected(() => channelzTo(target).length === 0);
  });

  it('is closed with its Graylane client, whether its user holds it or not', async () => {
    const { graylane, target } = open();
    const held = paymentsClient(target, graylane.clientOptions());
    (() => paymentsClient(target, graylane.clientOptions()))();
    await charge(held);
    await graylane.close();
    expect(channelzTo(target)).toEqual([]);
    expect(held.getChannel().getConnectivityState(true)).toBe(grpc.connectivityState.SHUTDOWN);
  });
});
