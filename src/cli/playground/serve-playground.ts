import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { refusalOf } from '../../base/web/foreign';
import { pageDocument, readPageFiles, sendPage, sendPageFile, setPageHeaders } from '../../base/web/page-files';
import { CommandError, codeOf } from '../command';
import type { CommandIo } from '../io';

export interface PlaygroundFlags {
  readonly port?: number;
  readonly open?: boolean;
  readonly write?: string;
}

/** Where links of one evening still lead on the next. */
const USUAL_PORT = 4180;

/** `playground`: serves the page on loopback until it is interrupted, or writes it into a folder. */
export async function servePlayground(flags: PlaygroundFlags, io: CommandIo): Promise<void> {
  if (flags.write !== undefined) return writePlayground(flags.write, io);
  const { interrupted } = io;
  const server = createServer(answer);
  const url = `http://127.0.0.1:${await listen(server, flags.port)}/`;
  io.jsonLine({ url });
  io.line(`The playground is at ${io.colors.bold(url)}`);
  io.note('Nothing leaves this machine; a link of the page holds all of it. Ctrl-C ends this.');
  if (flags.open === true) openBrowser(url, io);
  if (!interrupted.aborted) await once(interrupted, 'abort');
  server.closeAllConnections();
  server.close();
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const refusal = refusalOf(request, undefined);
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  if (refusal !== undefined) refuse(response, 403, refusal);
  else if (request.method !== 'GET' && request.method !== 'HEAD')
    refuse(response, 405, `${request.method} (expected: GET)`);
  else if (path === '/') sendPage(request, response, 'playground');
  else if (!sendPageFile(request, response, path.slice(1))) refuse(response, 404, `${path} (expected: /)`);
}

function refuse(response: ServerResponse, status: number, error: string): void {
  setPageHeaders(response);
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(`${JSON.stringify({ error })}\n`);
}

/** Gives the port. Without `--port`, another one where the usual one is taken. */
async function listen(server: Server, asked: number | undefined): Promise<number> {
  for (const port of asked === undefined ? [USUAL_PORT, 0] : [asked]) {
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if (asked === undefined && port !== 0 && codeOf(error) === 'EADDRINUSE') continue;
      throw new CommandError(2, `--port: ${port}: ${codeOf(error)} (expected: a free port)`, 'leave it out');
    }
  }
  throw new CommandError(2, 'no port is free');
}

/** Best effort: whoever asked for it sees the address in any case. */
function openBrowser(url: string, io: CommandIo): void {
  const [command = '', ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', (error) => io.note(`graylane: ${command}: ${codeOf(error)}; open the address yourself`));
  child.unref();
}

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

/** The page as files that any web server serves, in a folder of their own. */
async function writePlayground(folder: string, io: CommandIo): Promise<void> {
  const files = new Map([['index.html', pageDocument('playground', true)], ...readPageFiles(/^(?!process|team)/)]);
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of files) await writeFile(join(folder, name), content);
  } catch (error) {
    throw new CommandError(2, `--write: ${folder}: ${codeOf(error)} (expected: a folder that can be written to)`);
  }
  io.json({ folder, files: [...files.keys()] });
  io.line(`${files.size} files written to ${folder}: open index.html through a web server, or embed it with ?embed=1`);
}
