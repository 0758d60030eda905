import { readFile } from 'node:fs/promises';
import { defined } from '../../base/defined';
import { readSigningKey } from '../../base/signing-keys';
import type { ConsulClient } from '../../consul/client';
import type { ConsulOptions } from '../../consul/options';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import type { Signing } from '../../ops/store/signing';
import { CommandError, codeOf } from '../command';
import type { CommandIo } from '../io';
import { nextForRequest } from './next-step';

/** The options of a command that asks Consul: those of `consul()`, and `--key`. */
export interface ConsulFlags {
  readonly consul?: string;
  readonly tokenFile?: string;
  /** A datacenter, several with commas, or `all`. */
  readonly dc?: string;
  /** File with the private key that signs what is written, or `none`; of the commands that write policies. */
  readonly key?: string;
}

/** One Consul, asked through the library's own client. Close it when the command is done. */
export interface ConsulConnection {
  readonly client: ConsulClient;
  /** Addresses as shown in messages; never with credentials. */
  readonly address: string;
  /**
   * The datacenters that `--dc` names, as `dc=` parameters; `undefined` is the agent's own, which is asked without one.
   * Throws a CommandError when `all` cannot be found out.
   */
  datacenters(): Promise<readonly (string | undefined)[]>;
  /** All that Consul knows, by name. Throws a CommandError. */
  everywhere(): Promise<readonly string[]>;
  close(): void;
}

/** Opens the connection; asks nothing yet. Throws a CommandError or INVALID_OPTION; a token is never in them. */
export async function connectConsul(flags: ConsulFlags, io: CommandIo): Promise<ConsulConnection> {
  const [{ createConsulClient }, { parseConsulOptions }, { systemClock }] = await Promise.all([
    import('../../consul/client.js'),
    import('../../consul/options.js'),
    import('../../base/clock.js'),
  ]);
  const options = parseConsulOptions(await consulOptions(flags, io), io.env);
  const client = createConsulClient(options, { clock: systemClock });
  const address = options.addresses.map(({ text }) => text).join(', ');
  return {
    client,
    address,
    datacenters: async () => (flags.dc === 'all' ? everyDatacenter(client, address) : namedDatacenters(flags)),
    everywhere: () => everyDatacenter(client, address),
    close: () => client.close(),
  };
}

/** Runs `work` with the connection open, and closes it whatever happens. */
export async function withConsul<T>(
  flags: ConsulFlags,
  io: CommandIo,
  work: (connection: ConsulConnection) => Promise<T>,
): Promise<T> {
  const connection = await connectConsul(flags, io);
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

/** What `--key` or `GRAYLANE_POLICY_KEY` names. Throws a CommandError. */
export async function readSigning({ key: option }: ConsulFlags, { env }: CommandIo): Promise<Signing | undefined> {
  const file = option ?? (env['GRAYLANE_POLICY_KEY'] || undefined);
  if (file === undefined || file === 'none') return file;
  const name = option === undefined ? 'GRAYLANE_POLICY_KEY' : '--key';
  const key = readSigningKey(await read(file, name));
  if (typeof key === 'string') throw new CommandError(2, `${name}: ${file}: ${key}`);
  return key;
}

/** The library's options for what flags and files say; its own variables fill the rest. Throws a CommandError. */
export async function consulOptions({ consul, tokenFile }: ConsulFlags, { env }: CommandIo): Promise<ConsulOptions> {
  const file = tokenFile ?? (env['CONSUL_HTTP_TOKEN_FILE'] || undefined);
  const name = tokenFile === undefined ? 'CONSUL_HTTP_TOKEN_FILE' : '--token-file';
  const token = file === undefined ? undefined : (await read(file, name)).trim();
  if (token === '') throw new CommandError(2, `${name}: ${file} is empty (expected: a file with the token)`);
  return defined({ address: consul, token });
}

async function read(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(2, `${name}: ${file}: ${codeOf(error)} (expected: a file that can be read)`);
  }
}

/** What `--dc` names, unless it is `all`, which Consul has to say. */
export function namedDatacenters({ dc = '' }: ConsulFlags): readonly (string | undefined)[] {
  if (dc === '') return [undefined];
  return [...new Set(dc.split(',').map((name) => name.trim()))].filter((name) => name !== '');
}

async function everyDatacenter(client: ConsulClient, address: string): Promise<readonly string[]> {
  const unreachable = (reason: string): CommandError => {
    const next = nextForRequest(reason, 'check --consul, CONSUL_HTTP_ADDR and the ACL token');
    return new CommandError(2, `Consul at ${address}: ${reason}`, next);
  };
  const answer = await client.get({ path: '/catalog/datacenters', timeLimitMs: PLAIN_TIME_LIMIT_MS });
  if (answer.kind === 'failure') throw unreachable(answer.reason);
  const names: unknown = JSON.parse(answer.body.toString('utf8'));
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw unreachable('the answer is no list of datacenters');
  }
  return [...names].sort();
}
