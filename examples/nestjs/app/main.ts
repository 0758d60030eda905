import 'reflect-metadata';
import { createServer } from 'node:net';
import { type DynamicModule, type INestMicroservice, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type MicroserviceOptions, Transport } from '@nestjs/microservices';
import type { Graylane } from 'graylane';
import { GRAYLANE } from 'graylane/nestjs';
import { drainServer } from 'graylane/server';
import { ordersModule, packageName, protoPath } from './orders.module';
import { type ChargeReply, PaymentsClient } from './payments.client';
import { createPaymentsController } from './payments.controller';

const CALLS = 1_000;

async function serve(version: string): Promise<{ service: INestMicroservice; port: number }> {
  const port = await freePort();
  const module: DynamicModule = { module: class {}, controllers: [createPaymentsController(version)] };
  const service = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    transport: Transport.GRPC,
    // So that `close()` lets calls end, as `drainServer()` expects of it.
    options: { package: packageName, protoPath, url: `127.0.0.1:${port}`, gracefulShutdown: true },
    logger: false,
  });
  await service.listen();
  return { service, port };
}

/** NestJS binds what it is told and does not say which port it was, so that 0 will not do. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('not a TCP port');
  return address.port;
}

function expectThat(holds: boolean, what: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) process.exitCode = 1;
}

async function main(): Promise<void> {
  Logger.overrideLogger(false);
  const stable = await serve('stable');
  const canary = await serve('canary');
  const application = await NestFactory.create(
    ordersModule([
      { address: '127.0.0.1', port: stable.port, tags: ['stable'] },
      { address: '127.0.0.1', port: canary.port, tags: ['canary'] },
    ]),
    { logger: false },
  );
  await application.listen(0, '127.0.0.1');
  const graylane = application.get<Graylane>(GRAYLANE);
  const client = application.get(PaymentsClient);

  // The first calls of all, under labels of their own, so that many of them wait for the first resolution together.
  const expected = Array.from({ length: CALLS }, (_, index) => ({
    tag: `tag-${index}`,
    version: index % 2 === 0 ? 'stable' : 'canary',
  }));
  const replies = await Promise.all(
    expected.map(({ tag, version }) =>
      graylane.with({ labels: { 'x-tag': tag, ...(version === 'canary' ? { 'x-gray': 'canary' } : {}) } }, () =>
        client.charge(tag),
      ),
    ),
  );
  const mixed = replies.filter(
    (reply, index) => reply.tag !== expected[index]?.tag || reply.version !== expected[index]?.version,
  ).length;
  expectThat(mixed === 0, `${CALLS} concurrent calls under labels of their own: ${mixed} mixed up`);

  const plain = await client.charge('o-1');
  expectThat(plain.version === 'stable', `without labels: ${plain.version}`);
  const gray = await client.charge('o-2', graylane.metadata({ 'x-gray': 'canary' }));
  expectThat(gray.version === 'canary', `with metadata x-gray: canary: ${gray.version}`);

  const url = await application.getUrl();
  const order = (await (await fetch(`${url}/order`, { headers: { 'x-gray': 'canary' } })).json()) as ChargeReply;
  expectThat(order.version === 'canary', `an HTTP request with x-gray: canary: ${order.version}`);
  const health = await (await fetch(`${url}/health`)).json();
  expectThat(health.payments?.status === 'up', `health: ${JSON.stringify(health)}`);

  const { drained } = await drainServer({ server: canary.service, settleMs: 0 });
  expectThat(drained, 'the canary is drained');
  await application.close();
  const closed = await graylane.ready('payments').catch((error) => error.code);
  expectThat(closed === 'CLIENT_CLOSED', `the client after the application: ${closed}`);
  await stable.service.close();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
