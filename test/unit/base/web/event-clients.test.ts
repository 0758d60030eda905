import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { EventClients } from '../../../../src/base/web/event-clients';
import { closeAfterEach } from '../../../support/closers';

const afterTest = closeAfterEach();

async function serve(clients: EventClients): Promise<string> {
  const server = createServer((_, response) => {
    if (clients.add(response)) return;
    response.statusCode = 503;
    response.end();
  });
  afterTest(server, (each) => {
    each.closeAllConnections();
    each.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const connect = (url: string): Promise<IncomingMessage> =>
  new Promise((resolve) => {
    const request = get(url, { agent: false }, resolve);
    request.on('error', () => {});
  });

it('has so many clients at most, and tells when the first comes and the last goes', async () => {
  const used: boolean[] = [];
  const clients = new EventClients({ most: 2, onUse: (isUsed) => used.push(isUsed) });
  const url = await serve(clients);
  const first = await connect(url);
  const second = await connect(url);
  expect((await connect(url)).statusCode).toBe(503);
  expect(used).toEqual([true]);
  first.destroy();
  await expect.poll(() => clients.size).toBe(1);
  second.destroy();
  await expect.poll(() => used).toEqual([true, false]);
});

it('writes events that a browser reads', async () => {
  const clients = new EventClients();
  const response = await connect(await serve(clients));
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  clients.broadcast('state', { line: 'a\nb' });
  await expect.poll(() => text).toBe('event: state\ndata: {"line":"a\\nb"}\n\n');
  expect(response.headers['content-type']).toContain('text/event-stream');
});

it('drops a client that does not read, and no other', async () => {
  const clients = new EventClients({ mostWaiting: 100_000 });
  const url = await serve(clients);
  const reader = (await connect(url)).resume();
  const sleeper = await connect(url);
  sleeper.pause();
  const filler = 'x'.repeat(100_000);
  await expect
    .poll(
      () => {
        clients.broadcast('filler', filler);
        return clients.size;
      },
      { interval: 1 },
    )
    .toBe(1);
  expect(reader.destroyed).toBe(false);
});
