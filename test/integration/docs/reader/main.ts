import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import type { Graylane } from '../../../../src/index';
import { type PaymentsClient, paymentsClient } from '../../../support/payments';

/*
 * Runs the blocks of pages, in their order: each is a module that finds what a reader has around it as globals. Answers each
 * message with what became of it.
 */

export type ToReader =
  /** A page begins. */
  { readonly folder: string } | { readonly file: string; readonly isCalling: boolean };

export interface FromReader {
  /** Undefined: it ran to its end. */
  readonly error: string | undefined;
}

interface Exported {
  readonly graylane?: Graylane;
  readonly client?: PaymentsClient;
  readonly awaitsCallback?: boolean;
}

const LIMIT_MS = 5_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
// biome-ignore lint/suspicious/noExplicitAny: what pages find around them.
const around = globalThis as any;
let errors: string[] = [];
let awaited = 0;
let opened: { close(): unknown }[] = [];
let createGraylane: typeof import('../../../../src/index').createGraylane;

function note(error: unknown): void {
  errors.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

async function prepare(): Promise<void> {
  // The library as it ships, which is what pages import.
  ({ createGraylane } = await import(process.env['GRAYLANE_LIBRARY'] ?? ''));
  const stock = createServer((request, response) => request.resume().on('end', () => response.end('{}')));
  await new Promise<void>((resolve) => stock.listen(0, '127.0.0.1', resolve));
  around.readerHosts = { 'stock.internal': { host: '127.0.0.1', port: (stock.address() as AddressInfo).port } };
  around.PaymentsClient = function PaymentsClient(
    target: string,
    credentials: grpc.ChannelCredentials,
    options?: grpc.ClientOptions,
  ): PaymentsClient {
    const client = paymentsClient(target, options, credentials);
    opened.push(client);
    return client;
  };
  around.request = { order: 'o-1' };
  around.callback = (error: unknown): void => {
    awaited -= 1;
    if (error !== null) note(error);
  };
  around.chargeAndNotify = (): Promise<void> =>
    new Promise((resolve, reject) => {
      around.client.charge({}, new grpc.Metadata(), (error: unknown) => (error === null ? resolve() : reject(error)));
    });
  around.readToken = async () => 'a token';
  around.stopTakingRequests = async () => {};
}

const prepared = prepare();

async function begin(folder: string): Promise<void> {
  process.chdir(folder);
  // What a page opened is closed when the next one begins; servers stay, at ports that nobody else wants.
  const former = opened;
  opened = [];
  for (const each of former) await each.close();
  goOnWith(createGraylane({ logger: silent, closeTimeoutMs: 0 }));
}

/** What a block of the page opens, later ones go on with. */
function goOnWith(graylane: Graylane, client?: PaymentsClient): void {
  opened.push(graylane);
  around.graylane = graylane;
  around.client =
    client ??
    new around.PaymentsClient(graylane.target('payments'), grpc.credentials.createInsecure(), graylane.clientOptions());
}

async function run({ file, isCalling }: { readonly file: string; readonly isCalling: boolean }): Promise<void> {
  if (isCalling) await heardOfAll(around.graylane);
  const names = (await import(pathToFileURL(file).href)) as Exported;
  if (names.graylane !== undefined) goOnWith(names.graylane, names.client);
  if (names.awaitsCallback === true) awaited += 1;
  await until(() => awaited <= 0, 'the callback was not called');
  // Listeners that throw, and promises that nobody waits for.
  await new Promise((resolve) => setImmediate(resolve));
}

/** A reader needs longer to get to the next block than a client to hear of its datacenters. */
async function heardOfAll(graylane: Graylane): Promise<void> {
  await graylane.ready('payments');
  await until(
    () => graylane.inspect().services[0]?.datacenters.every(({ known }) => known) === true,
    'not every datacenter has answered',
  );
}

async function until(holds: () => boolean, otherwise: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

process.on('uncaughtException', note);
process.on('unhandledRejection', note);
process.on('message', async (message: ToReader) => {
  errors = [];
  awaited = 0;
  try {
    await prepared;
    if ('folder' in message) await begin(message.folder);
    else await run(message);
  } catch (error) {
    note(error);
  }
  process.send?.({ error: errors.length === 0 ? undefined : errors.join('\n') } satisfies FromReader);
});
