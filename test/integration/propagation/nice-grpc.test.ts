import type * as grpc from '@grpc/grpc-js';
import { createServer } from 'nice-grpc';
import { expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, Payments, paymentsClient } from '../../support/payments';

const CALLS = 300;

const closing = closeAfterEach();

it('a server of nice-grpc takes the interceptor with the options of grpc-js', async () => {
  const graylane = closing(createGraylane({ instances: {} }), (one) => one.close());
  const options: grpc.ServerOptions = { interceptors: [graylane.serverInterceptor({ accept: ['x-tag'] })] };
  const server = closing(createServer(options), (one) => one.forceShutdown());
  server.add(
    Payments.service as never,
    {
      async Charge(request: { order: string }) {
        await new Promise((resolve) => setImmediate(resolve));
        return { ...request, tag: graylane.ambientLabels()['x-tag'] };
      },
      async *Watch() {},
      async Upload() {},
      async *Converse() {},
    } as never,
  );
  const port = await server.listen('127.0.0.1:0');
  const client = closing(paymentsClient(`127.0.0.1:${port}`), (one) => one.close());
  const replies = await Promise.all(
    Array.from({ length: CALLS }, (_, index) => charge(client, { 'x-tag': `tag-${index}` })),
  );
  expect(replies.filter(({ tag }, index) => tag !== `tag-${index}`)).toEqual([]);
});
