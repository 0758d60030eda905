import { defined } from '../../base/defined';
import { hostAndPort } from '../../base/host-and-port';
import { isLoopback } from '../../base/web/foreign';
import { type ConsoleHandler, createConsoleHandler } from '../../ops/console/console-handler';
import { listenForPeople } from '../../ops/console/listen';
import { CommandError, codeOf } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { checkSources, type ListenAddress } from '../flags';
import type { CommandIo } from '../io';
import { untilInterrupted } from '../live-screen';
import { consoleOperations } from './operations';

interface ConsoleFlags extends Pick<ConsulFlags, 'consul' | 'tokenFile'> {
  readonly listen?: ListenAddress;
  readonly allowHost?: readonly string[];
  readonly readOnly?: boolean;
  readonly prometheus?: URL;
  readonly url?: readonly URL[];
}

const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 9470 };

/** `console`. */
export async function runConsole(flags: ConsoleFlags, io: CommandIo): Promise<void> {
  const { listen = DEFAULT_LISTEN } = flags;
  const { interrupted } = io;
  const handler = consoleHandler(flags, io);
  const listener = await listenAt(listen, handler);
  const address = `http://${hostAndPort(listen.host, listener.port)}`;
  io.jsonLine({ address });
  io.line(`the console is at ${address}${flags.readOnly === true ? ', and only reads' : ''}; Ctrl-C ends it`);
  if (listen.host !== 'localhost' && !isLoopback(listen.host)) {
    io.note('others reach this address, and send Consul tokens to it: put a gateway with TLS before it');
  }
  try {
    await untilInterrupted(interrupted);
  } finally {
    await listener.close();
  }
}

/** The console as a handler, to be mounted on a port. */
export function consoleHandler(flags: Omit<ConsoleFlags, 'listen'>, io: CommandIo): ConsoleHandler {
  const { allowHost = [], readOnly = false, prometheus, url, ...rest } = flags;
  const sources = defined({ prometheus, url });
  if (prometheus !== undefined || url !== undefined) checkSources(sources);
  const settings = { env: io.env, flags: rest, isReadOnly: readOnly, sources };
  return createConsoleHandler({
    operations: consoleOperations(settings),
    isReadOnly: readOnly,
    hosts: allowHost,
    onWrite: ({ method, path, status }) => {
      io.note(`${new Date().toISOString()} ${method} ${path} ${status}`);
    },
    onError: (error) => {
      const isDebug = (io.env['GRAYLANE_DEBUG'] ?? '') !== '' && error instanceof Error;
      io.note(`graylane: a request failed: ${isDebug ? error.stack : 'GRAYLANE_DEBUG=1 shows where'}`);
    },
  });
}

async function listenAt({ host, port }: ListenAddress, handler: ConsoleHandler): ReturnType<typeof listenForPeople> {
  try {
    return await listenForPeople(host, port, handler);
  } catch (error) {
    const message = `--listen: ${host}:${port}: ${codeOf(error)} (expected: a free address of this host)`;
    throw new CommandError(2, message, 'choose another');
  }
}
