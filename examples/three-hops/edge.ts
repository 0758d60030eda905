// The edge: HTTP in, gRPC out. Its callers are strangers, so it names the headers that it believes.
import fastify from 'fastify';
import type { Graylane } from 'graylane';
import { createOrdersClient, place } from './orders';
import { headerGetter, inServerSpan } from './tracing';

export interface Edge {
  readonly url: string;
  stop(): Promise<void>;
}

/** `graylane`: the one that leads to orders. */
export async function startEdge(graylane: Graylane): Promise<Edge> {
  const orders = createOrdersClient(graylane);
  const app = fastify();
  app.addHook('onRequest', graylane.httpMiddleware({ accept: ['x-gray', 'x-tag'] }));
  app.get<{ Params: { order: string } }>('/pay/:order', ({ params, headers }) =>
    inServerSpan('edge', 'GET /pay/:order', headers, headerGetter, () => place(orders, params.order)),
  );
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    stop: async () => {
      await app.close();
      orders.close();
    },
  };
}
