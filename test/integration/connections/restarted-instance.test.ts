import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type PaymentsClient, paymentsClient } from '../../support/payments';
import { startServerProcess } from '../../support/server-process';
import { heldClient, holdCall } from './held-calls-server';
import { startHttp2Peer } from './http2-peer';

// With sockets and processes what refused-as-by-grpc-js.test.ts shows without.

const closing = closeAfterEach();
const ROUND_ROBIN = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });
const BACKOFF = { 'grpc.initial_reconnect_backoff_ms': 200, 'grpc.max_reconnect_backoff_ms': 500 };

function waiting(client: PaymentsClient): Promise<string> {
  const metadata = new grpc.Metadata();
  metadata.setOptions({ waitForReady: true });
  return new Promise((resolve) =>
    client.charge({ order: 'o' }, metadata, { deadline: Date.now() + 15_000 }, (error) =>
      resolve(error === null ? 'ok' : error.message),
    ),
  );
}

it('calls that wait while the only instance is killed and started again are made, as by grpc-js', async () => {
  const first = closing(await startServerProcess({ names: ['p'] }), (one) => one.kill());
  const port = first.instances[0]?.port ?? 0;
  const graylane = closing(createGraylane({ instances: { payments: [{ address: '127.0.0.1', port }] } }), (one) =>
    one.close(),
  );
  const ours = paymentsClient(graylane.target('payments'), graylane.clientOptions(BACKOFF));
  const plain = paymentsClient(`127.0.0.1:${port}`, { ...BACKOFF, 'grpc.service_config': ROUND_ROBIN });
  for (const client of [ours, plain]) closing(client, (one) => one.close());
  expect(await Promise.all([waiting(ours), waiting(plain)])).toEqual(['ok', 'ok']);
  await first.kill();
  // Until both have noticed.
  for (const client of [ours, plain]) {
    await expect.poll(() => client.getChannel().getConnectivityState(false)).not.toBe(grpc.connectivityState.READY);
  }
  const calls = Array.from({ length: 20 }, () => [waiting(ours), waiting(plain)]).flat();
  closing(await startServerProcess({ names: ['p'], port }), (one) => one.kill());
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']));
});

it('no call is refused while the server renews the only connection again and again', async () => {
  const sessions: { close(): void }[] = [];
  const peer = closing(await startHttp2Peer({ session: (session) => sessions.push(session) }), (one) => one.close());
  const graylane = closing(
    createGraylane({
      instances: { held: [peer.instance] },
      policies: { held: { schema: 1, service: 'held', retry: 'off' } },
    }),
    (one) => one.close(),
  );
  const client = closing(heldClient(graylane.target('held'), graylane.clientOptions()), (one) => one.close());
  const ended: Promise<grpc.StatusObject>[] = [];
  for (let round = 1; round <= 20; round += 1) {
    expect((await holdCall(client, 'unary').ended).code).toBe(0);
    sessions.pop()?.close();
    while (peer.connections === round) {
      ended.push(holdCall(client, 'unary').ended);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let turn = 0; turn < 5; turn += 1) {
      ended.push(holdCall(client, 'unary').ended);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const lost = (await Promise.all(ended)).filter(({ code }) => code !== 0).map(({ details }) => details);
  expect(lost).toEqual([]);
});
