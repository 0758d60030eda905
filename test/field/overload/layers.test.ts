import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { sliceOf } from '../../support/slice';
import { clientOf, type Handler, load, serve, type Work, workOf } from './world';

const QUIET = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const RETRY = {
  maxAttempts: 2,
  initialBackoff: '0.02s',
  maxBackoff: '0.2s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
};

interface Layers {
  readonly work: Work;
  /** Attempts at the last one. */
  attempts(): number;
}

/** A calls B, B calls C, C calls D, and D fails. Each of them may try again. */
function layers(): (by: 'graylane' | 'grpc-js') => Promise<Layers> {
  const closing = closeAfterEach();
  const graylaneTo = (port: number) => {
    const policy = { schema: 1, service: 'work', retry: {} } as PolicyDocument;
    const graylane = closing(
      createGraylane({
        instances: { work: [{ id: 'only', address: '127.0.0.1', port }] },
        policies: { work: policy },
        logger: QUIET,
      }),
      (one) => one.close(),
    );
    const client = clientOf(graylane.target('work'), graylane.clientOptions());
    return { client, interceptors: [graylane.serverInterceptor({ accept: [] })] };
  };
  const plainTo = (port: number) => {
    const config = { methodConfig: [{ name: [{}], retryPolicy: RETRY }] };
    const client = clientOf(`ipv4:127.0.0.1:${port}`, { 'grpc.service_config': JSON.stringify(config) });
    return { client, interceptors: [] };
  };
  return async (by) => {
    let attempts = 0;
    const failing: Handler = (_, callback) => {
      attempts += 1;
      callback({ code: grpc.status.UNAVAILABLE, details: 'down' });
    };
    const last = closing(await serve(failing), (one) => one.stop());
    let { port } = last;
    let work: Work | undefined;
    for (let layer = 0; layer < 3; layer += 1) {
      const { client, interceptors } = by === 'graylane' ? graylaneTo(port) : plainTo(port);
      closing(client, (one) => one.close());
      const down = workOf(client);
      work = down;
      const passing: Handler = (_, callback) => {
        void down().then((code) => callback(code === 0 ? null : { code, details: 'failed below' }, Buffer.alloc(0)));
      };
      if (layer < 2) port = closing(await serve(passing, interceptors), (one) => one.stop()).port;
    }
    await pause(100);
    return { work: work as Work, attempts: () => attempts };
  };
}

/** T7: retries multiply over layers. */
describe('the last of four layers is down', () => {
  const open = layers();

  it.each(
    sliceOf(
      [
        [5, 20_000],
        [50, 6_000],
        [150, 3_000],
      ] as const,
      2,
    ),
  )('%i calls/s: attempts at it', { timeout: 60_000 }, async (perSecond, forMs) => {
    const [graylane, plain] = await Promise.all([open('graylane'), open('grpc-js')]);
    const [loaded, beside] = await Promise.all([
      load(graylane.work, [{ perSecond, forMs }]),
      load(plain.work, [{ perSecond, forMs: Math.min(forMs, 3_000) }]),
    ]);
    const perCall = graylane.attempts() / (loaded.calls[0] ?? 0);
    const perPlainCall = plain.attempts() / (beside.calls[0] ?? 0);
    printFact(
      `attempts at the last of four layers for each call of the first, ${perSecond} calls/s`,
      `${perCall.toFixed(2)}; grpc-js ${perPlainCall.toFixed(2)}`,
    );
    expect(loaded.lost).toEqual(loaded.calls);
    expect(perCall).toBeLessThanOrEqual(1.2);
  });
});
