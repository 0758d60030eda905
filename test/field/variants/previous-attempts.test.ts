import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { untilReady } from '../../support/until-ready';
import { begin, openClient } from './caller';
import { startService } from './service';

const REFUSED_STREAM = 7;
const closing = closeAfterEach();

type Answer = 'refuses' | 'fails' | 'answers';

/** Answers each request in turn, and notes what `grpc-previous-rpc-attempts` said in it. */
async function startRefusing(answers: readonly Answer[]): Promise<{ readonly port: number; readonly said: string[] }> {
  const said: string[] = [];
  const server = createServer();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const ofAll = { ':status': 200, 'content-type': 'application/grpc' };
    if (String(headers[':path']).startsWith('/grpc.health')) {
      stream.respond({ ...ofAll, 'grpc-status': String(grpc.status.UNIMPLEMENTED) }, { endStream: true });
      return;
    }
    const answer = answers[said.length] ?? 'answers';
    said.push(String(headers['grpc-previous-rpc-attempts'] ?? 'nothing'));
    if (answer === 'refuses') stream.close(REFUSED_STREAM);
    else {
      const status = { 'grpc-status': String(answer === 'fails' ? grpc.status.UNAVAILABLE : grpc.status.OK) };
      if (answer === 'fails') stream.respond({ ...ofAll, ...status }, { endStream: true });
      else {
        stream.respond(ofAll, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers(status));
        stream.end(Buffer.alloc(5));
      }
    }
  });
  closing(server, (one) => one.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, said };
}

it.each([
  { answers: ['refuses', 'refuses', 'answers'], said: ['nothing', 'nothing', 'nothing'], code: 0 },
  { answers: ['refuses', 'refuses', 'fails', 'answers'], said: ['nothing', 'nothing', 'nothing', '1'], code: 0 },
  { answers: ['fails', 'refuses', 'refuses', 'fails', 'answers'], said: ['nothing', '1', '1', '1', '2'], code: 0 },
  { answers: ['fails', 'fails', 'fails'], said: ['nothing', '1', '2'], code: 14 },
] as const)('servers that $answers read of attempts that some server took on: $said', async (row) => {
  const { port, said } = await startRefusing(row.answers);
  const service = closing(await startService({}), (one) => one.close());
  const opened = openClient('clientOptions()', { ...service, ports: [port] }, { isRetried: true });
  closing(opened, (one) => one.close());
  await untilReady(opened.client);
  const heard = await begin({ kind: 'unary', client: opened.client, service }).ended;
  expect(said).toEqual(row.said);
  expect(heard.at(-1)).toMatch(row.code === 0 ? /^status OK/ : /^status UNAVAILABLE/);
});
