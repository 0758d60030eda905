import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, expect } from 'vitest';
import { consoleHandler } from '../../../src/cli/console/run-console';
import { listenForPeople } from '../../../src/ops/console/listen';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { type Ended, runHere } from '../cli/in-process';
import { testIo } from './test-io';

interface Asked {
  /** Default: the management token; empty: none. */
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a text or bytes as they are. */
  readonly body?: unknown;
  /** Default: of the world's own console. */
  readonly port?: number;
}

interface Answered<T = unknown> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of an answer of the API. */
  readonly json: {
    readonly result: T;
    readonly notes: readonly string[];
    readonly code: number;
    readonly error?: { readonly message: string; readonly nextStep?: string };
  };
}

/** A Consul that denies by default, and a console before it. */
export interface ConsoleWorld {
  readonly consul: ConsulDatacenter;
  readonly port: number;
  /** What the console would have printed. */
  readonly notes: readonly string[];
  ask<T = unknown>(method: string, path: string, asked?: Asked): Promise<Answered<T>>;
  /** Another console before the same Consul. */
  open(flags: Parameters<typeof consoleHandler>[0], env?: Record<string, string>): Promise<number>;
  /** Runs a command line with the management token. */
  run(args: readonly string[]): Promise<Ended>;
  /** Applies a policy by the command. */
  apply(document: object, message: string): Promise<void>;
}

export function consoleWorld(): ConsoleWorld {
  let cluster: ConsulCluster | undefined;
  const notes: string[] = [];
  const closers: (() => Promise<void>)[] = [];
  let port = 0;
  const consul = (): ConsulDatacenter => cluster?.dc('dc1') ?? expect.fail('Consul is not up yet');
  const world: ConsoleWorld = {
    get consul() {
      return consul();
    },
    get port() {
      return port;
    },
    notes,
    async ask(method, path, { token = consul().token, headers = {}, body, port: other = port } = {}) {
      const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
      const content = body === undefined ? undefined : isRaw ? body : JSON.stringify(body);
      const own: Record<string, string> = {
        ...(method === 'GET' ? {} : { 'x-graylane-console': '1', 'content-type': 'application/json' }),
        ...(token === undefined || token === '' ? {} : { 'x-consul-token': token }),
        ...(content === undefined || 'transfer-encoding' in headers
          ? {}
          : { 'content-length': String(Buffer.byteLength(content)) }),
      };
      return send(other, method, path, { ...own, ...headers }, content);
    },
    async open(flags, env = {}) {
      const io = testIo({ CONSUL_HTTP_ADDR: consul().address, ...env }, notes);
      const listener = await listenForPeople('127.0.0.1', 0, consoleHandler(flags, io));
      closers.push(() => listener.close());
      return listener.port;
    },
    run: (args) => runHere(args, { CONSUL_HTTP_ADDR: consul().address, CONSUL_HTTP_TOKEN: consul().token }),
    async apply(document, message) {
      const { service } = document as { service: string };
      const written = await world.ask('PUT', `/api/services/${service}/policy`, {
        body: { text: JSON.stringify(document), message, allowReshuffle: true, force: true },
      });
      expect(written.status, written.text).toBe(200);
    },
  };
  beforeAll(async () => {
    cluster = await startConsul({ acl: true });
    port = await world.open({});
  });
  afterAll(async () => {
    for (const close of closers) await close();
    await cluster?.stop();
  });
  return world;
}

function send<T>(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer | undefined,
): Promise<Answered<T>> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        const { statusCode: status = 0, headers: given } = response;
        resolve({ status, headers: given, text, json: isJson ? JSON.parse(text) : undefined });
      });
    });
    request.once('error', reject);
    request.end(body);
  });
}
