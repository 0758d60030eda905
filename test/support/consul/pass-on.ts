import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';

/** Asks the agent at `target` what a proxy before it was asked, and hands its answer back. */
export function passOn(target: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const asked = { method: incoming.method ?? 'GET', headers: incoming.headers };
  const onward = httpRequest(target + (incoming.url ?? ''), asked, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}
