import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** Consul compresses what is asked for so, and nothing else. */
export const ACCEPT_GZIP: Readonly<Record<string, string>> = { 'accept-encoding': 'gzip' };

const inflate = promisify(gunzip);

/** Rejects when the body is not what its header says, or larger than the limit once it is unpacked. */
export async function decodedBody(message: IncomingMessage, body: Buffer, limitBytes: number): Promise<Buffer> {
  if (message.headers['content-encoding'] !== 'gzip') return body;
  return inflate(body, { maxOutputLength: limitBytes });
}
