import { readFile } from 'node:fs/promises';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { readSigningKey } from '../../base/signing-keys';
import { answerNames } from '../../consul/answer-json';
import type { ConsulClient } from '../../consul/client';
import type { ConsulOptions } from '../../consul/options';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import type { Signing } from '../../ops/store/signing';
import { CommandError, codeOf, orNone } from '../command';
import { didYouMean } from '../describe';
import type { CommandIo } from '../io';
import { consulNextStep } from './next-step';

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
   * Throws a CommandError for a name that Consul does not know, and when `all` cannot be found out.
   */
  datacenters(): Promise<readonly (string | undefined)[]>;
  /** The same, whether Consul knows them or not. */
  asked(): Promise<readonly (string | undefined)[]>;
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
  const asked = async (): Promise<readonly (string | undefined)[]> =>
    flags.dc === 'all' ? everyDatacenter(client, address) : namedDatacenters(flags);
  return {
    client,
    address,
    asked,
    datacenters: async () => {
      const names = await asked();
      if (flags.dc !== 'all') await checkDatacenters(names, client, address);
      return names;
    },
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
  } catch (error) {
    if (!GraylaneError.is(error) || error.code !== 'POLICY_UNAVAILABLE') throw error;
    throw new CommandError(2, `Consul at ${connection.address}: ${error.message}`, consulNextStep(error.message));
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
  return dc === '' ? [undefined] : [...new Set(dc.split(','))];
}

async function everyDatacenter(client: ConsulClient, address: string): Promise<readonly string[]> {
  const names = answerNames(await client.get({ path: '/catalog/datacenters', timeLimitMs: PLAIN_TIME_LIMIT_MS }));
  if ('reason' in names) {
    throw new CommandError(2, `Consul at ${address}: ${names.reason}`, consulNextStep(names.reason));
  }
  return [...names].sort();
}

/**
 * Throws a CommandError for a name that Consul does not know: a slip must not be taken for a datacenter that does not
 * answer. Where Consul does not say what it knows, what follows will tell.
 */
async function checkDatacenters(
  names: readonly (string | undefined)[],
  client: ConsulClient,
  address: string,
): Promise<void> {
  const given = names.filter((name) => name !== undefined);
  if (given.length === 0) return;
  const known = await orNone(everyDatacenter(client, address));
  const unknown = given.filter((name) => known?.includes(name) === false);
  if (known === undefined || unknown.length === 0) return;
  const [first = ''] = unknown;
  const message = `--dc: ${unknown.join(', ')} (expected: what Consul at ${address} knows: ${known.join(', ')})`;
  throw new CommandError(2, message, didYouMean(first, known, 'correct --dc'));
}
