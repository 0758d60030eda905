import { defined } from '../../base/defined';
import {
  type ConsoleAnswer,
  type ConsoleOperation,
  ConsoleProblem,
  type ConsoleRequest,
} from '../../ops/console/operation';
import type { ConsulFlags } from '../consul/consul-connection';
import type { FleetSources } from '../flags';
import type { CommandIo } from '../io';
import { answerOf, type Collected, collect } from './collected';

/** What a console asks Consul with, besides the token of each caller. */
export interface ConsoleSettings {
  readonly env: CommandIo['env'];
  /** Of the command line. */
  readonly flags: Pick<ConsulFlags, 'consul' | 'tokenFile'>;
  readonly isReadOnly: boolean;
  /** Where figures and processes are found; neither: nowhere. */
  readonly sources: FleetSources;
}

/** Of the process that runs the console: for nobody else's requests. */
const OWN_TOKEN = ['CONSUL_HTTP_TOKEN', 'CONSUL_HTTP_TOKEN_FILE'];

/** How one request asks Consul: the environment of the command, and its options. */
interface Asking {
  readonly env: CommandIo['env'];
  readonly flags: ConsulFlags;
}

/**
 * The caller's own token for everything, reads too. Without one Consul is asked anonymously; a console that only reads
 * then asks with its own. The console signs nothing.
 */
function askingOf({ token, query }: Pick<ConsoleRequest, 'token' | 'query'>, settings: ConsoleSettings): Asking {
  const { consul, tokenFile } = settings.flags;
  // Where Consul is, and how it is reached over TLS. Nothing else of this process is about the caller.
  const known = Object.entries(settings.env).filter(([name]) => name.startsWith('CONSUL_'));
  const bare = Object.fromEntries(known.filter(([name]) => !OWN_TOKEN.includes(name)));
  const dc = datacentersOf(query.get('dc') ?? undefined);
  if (token !== undefined) return { env: { ...bare, CONSUL_HTTP_TOKEN: token }, flags: defined({ consul, dc }) };
  if (!settings.isReadOnly) return { env: bare, flags: defined({ consul, dc }) };
  return { env: Object.fromEntries(known), flags: defined({ consul, tokenFile, dc }) };
}

function datacentersOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^[A-Za-z0-9_-]{1,64}(?:,[A-Za-z0-9_-]{1,64}){0,31}$/.test(text)) return text;
  throw new ConsoleProblem(400, 'dc: not a datacenter (expected: names with commas, or all)');
}

/** Runs the function of a command as this caller, and answers with what it gives. */
export async function runAs(
  request: ConsoleRequest,
  settings: ConsoleSettings,
  work: (flags: ConsulFlags, io: CommandIo) => Promise<void>,
): Promise<Collected> {
  const { env, flags } = askingOf(request, settings);
  return collect(env, request.signal, (io) => work(flags, io));
}

/** An operation that is one command. */
export function commandOperation(
  method: ConsoleOperation['method'],
  path: string,
  settings: ConsoleSettings,
  work: (request: ConsoleRequest, flags: ConsulFlags, io: CommandIo) => Promise<void>,
): ConsoleOperation {
  const run = async (request: ConsoleRequest): Promise<ConsoleAnswer> =>
    answerOf(await runAs(request, settings, (flags, io) => work(request, flags, io)), method);
  return { method, path, run };
}

/** The service that the path names. */
export function serviceOf({ params }: ConsoleRequest): string {
  return params['service'] ?? '';
}
