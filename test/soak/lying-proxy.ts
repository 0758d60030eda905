import { createServer, request as httpRequest, type ServerResponse } from 'node:http';

/** What stands before Consul may say instead of Consul. */
export type Lie =
  | '500'
  | '429'
  | '503'
  | '403'
  | 'html'
  | 'cut'
  | 'empty'
  | 'acl-empty'
  | 'wrong types'
  | '60 MB'
  | 'index 0'
  | 'index back'
  | 'no index'
  | 'reset'
  | 'silence';

export const LIES: readonly Lie[] = [
  '500',
  '429',
  '503',
  '403',
  'html',
  'cut',
  'empty',
  'acl-empty',
  'wrong types',
  '60 MB',
  'index 0',
  'index back',
  'no index',
  'reset',
  'silence',
];

/** Stands before an agent, and now and then answers in its place, or spoils what it says. */
export interface LyingProxy {
  /** `http://host:port` */
  readonly address: string;
  /** From now on; undefined: the truth. */
  tell(lie: Lie | undefined): void;
  /** Requests so far. */
  readonly requests: number;
  /** Connections from clients that are open now. */
  connections(): Promise<number>;
  stop(): Promise<void>;
}

const HUGE = Buffer.alloc(60 * 1024 * 1024, 0x20);

export async function startLyingProxy(target: string): Promise<LyingProxy> {
  let lie: Lie | undefined;
  let requests = 0;
  const server = createServer((incoming, outgoing) => {
    requests += 1;
    if (lie !== undefined && answerWith(lie, outgoing)) return;
    const onward = httpRequest(
      target + (incoming.url ?? ''),
      { method: incoming.method ?? 'GET', headers: incoming.headers },
      (answer) => {
        const headers = { ...answer.headers };
        if (lie === 'index 0') headers['x-consul-index'] = '0';
        if (lie === 'index back') headers['x-consul-index'] = '1';
        if (lie === 'no index') delete headers['x-consul-index'];
        outgoing.writeHead(answer.statusCode ?? 502, headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP port');
  return {
    address: `http://127.0.0.1:${bound.port}`,
    tell: (next) => {
      lie = next;
    },
    get requests() {
      return requests;
    },
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** False: the lie is in what becomes of the real answer. */
function answerWith(lie: Lie, response: ServerResponse): boolean {
  const say = (status: number, body: string | Buffer, headers: Record<string, string> = {}): true => {
    response.writeHead(status, { 'x-consul-index': '7', ...headers }).end(body);
    return true;
  };
  switch (lie) {
    case '500':
      return say(500, 'No cluster leader');
    case '429':
    case '503':
      return say(Number(lie), '');
    case '403':
      return say(403, 'Permission denied');
    case 'html':
      return say(200, '<html>Sign in</html>');
    case 'empty':
      return say(200, '[]');
    case 'acl-empty':
      return say(200, '[]', { 'x-consul-results-filtered-by-acls': 'true' });
    case 'wrong types':
      return say(200, '[{"Node":1,"Service":[],"Checks":{}}]');
    case '60 MB':
      return say(200, HUGE);
    case 'cut':
      response.writeHead(200, { 'x-consul-index': '7', 'content-length': '9000' }).write('[{"Node":');
      setTimeout(() => response.destroy(), 10);
      return true;
    case 'reset':
      response.destroy();
      return true;
    case 'silence':
      return true;
    case 'index 0':
    case 'index back':
    case 'no index':
      return false;
  }
}
