import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** Answers like a Consul that cannot be had: what a real one refuses to do wrong. */
export interface ScriptedConsul {
  readonly address: string;
  readonly requests: readonly ScriptedRequest[];
  /** How to answer from now on; requests that wait are left waiting. */
  answer(how: (request: ScriptedRequest, response: ServerResponse) => void): void;
  stop(): Promise<void>;
}

interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
  readonly authorization: string | undefined;
  /** Of a request that writes; whole when `how` is called. */
  readonly body: string;
  readonly atMs: number;
}

export interface ScriptedAnswer {
  readonly status?: number;
  /** X-Consul-Index; left out when undefined. */
  readonly index?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export async function startScriptedConsul(): Promise<ScriptedConsul> {
  const requests: ScriptedRequest[] = [];
  let how: (request: ScriptedRequest, response: ServerResponse) => void = () => {};
  const server = createServer(async (incoming: IncomingMessage, response) => {
    const body = incoming.method === 'GET' ? '' : await text(incoming);
    const url = new URL(incoming.url ?? '/', 'http://scripted');
    const token = incoming.headers['x-consul-token'];
    const request: ScriptedRequest = {
      method: incoming.method ?? '',
      body,
      path: url.pathname,
      query: url.searchParams,
      token: typeof token === 'string' ? token : undefined,
      authorization: incoming.headers.authorization,
      atMs: performance.now(),
    };
    requests.push(request);
    how(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP port');
  return {
    address: `http://127.0.0.1:${bound.port}`,
    requests,
    answer: (next) => {
      how = next;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Strings and buffers go out as they are, everything else as JSON. */
export function reply(response: ServerResponse, answer: ScriptedAnswer): void {
  const { body } = answer;
  response.writeHead(answer.status ?? 200, {
    'content-type': 'application/json',
    ...(answer.index === undefined ? {} : { 'x-consul-index': answer.index }),
    ...answer.headers,
  });
  response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
}

/** A well-formed health entry. */
export function healthEntry(id: string, port: number, more: Readonly<Record<string, unknown>> = {}): object {
  return {
    Node: { Node: 'n1', Address: '10.0.0.1', Datacenter: 'dc1' },
    Service: { ID: id, Service: 'payments', Address: '', Port: port, Tags: [], Meta: {}, ...more },
    Checks: [{ CheckID: 'serfHealth', Status: 'passing' }],
  };
}
