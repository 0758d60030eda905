import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { defined } from '../../base/defined';
import { readSigningKey } from '../../base/signing-keys';
import type { ConsulClient } from '../../consul/client';
import type { ConsulOptions } from '../../consul/options';
import type { Signing } from '../../ops/store/signing';
import { CommandError, codeOf } from '../command';
import type { CommandIo } from '../io';

/** The options of a command that asks Consul, as {@link withConsul} adds them. */
export interface ConsulFlags {
  readonly consul?: string;
  readonly tokenFile?: string;
  /** A datacenter, several with commas, or `all`. */
  readonly dc?: string;
  /** File with the private key that signs what is written, or `none`; of the commands that write policies. */
  readonly key?: string;
  /** Every command has it: `defineCommand()` adds `--json`. */
  readonly json?: boolean;
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

const TIME_LIMIT_MS = 10_000;

/** Adds `--consul`, `--token-file` and `--dc`. */
export function withConsul(command: Command, dc = 'datacenter to ask; default: the one of the agent'): Command {
  return withAgent(command).option('--dc <name>', dc);
}

/** Adds `--consul` and `--token-file`: for what only the agent's own datacenter can do. */
export function withAgent(command: Command): Command {
  return command
    .option('--consul <address>', 'http://host:port, https://host:port or unix:///path; default: CONSUL_HTTP_ADDR')
    .option('--token-file <file>', 'file with the ACL token; default: CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN');
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
    datacenters: async () => namedDatacenters(flags.dc) ?? everyDatacenter(client, address),
    everywhere: () => everyDatacenter(client, address),
    close: () => client.close(),
  };
}

/** For every command that writes policies. */
export function withSigningKey(command: Command): Command {
  return command.option(
    '--key <file>',
    'private key (Ed25519, PEM) that signs the policy; none gives up its signature; default: GRAYLANE_POLICY_KEY',
  );
}

/** What `--key` or `GRAYLANE_POLICY_KEY` names. Throws a CommandError. */
export async function readSigning(flags: ConsulFlags, io: CommandIo): Promise<Signing | undefined> {
  const file = flags.key ?? nonEmpty(io.env['GRAYLANE_POLICY_KEY']);
  if (file === undefined || file === 'none') return file;
  const path = flags.key === undefined ? 'GRAYLANE_POLICY_KEY' : '--key';
  const key = readSigningKey((await read(file, path)).toString('utf8'));
  if (typeof key === 'string') throw new CommandError(2, `${path}: ${file}: ${key}`);
  return key;
}

/** The library's options for what flags and files say; its own variables fill the rest. Throws a CommandError. */
export async function consulOptions(flags: ConsulFlags, io: CommandIo): Promise<ConsulOptions> {
  const token = await readToken(flags, io);
  return defined({ address: flags.consul, token });
}

async function readToken(flags: ConsulFlags, io: CommandIo): Promise<string | undefined> {
  const file = flags.tokenFile ?? nonEmpty(io.env['CONSUL_HTTP_TOKEN_FILE']);
  if (file === undefined) return undefined;
  const path = flags.tokenFile === undefined ? 'CONSUL_HTTP_TOKEN_FILE' : '--token-file';
  const token = (await read(file, path)).toString('utf8').trim();
  if (token === '') throw new CommandError(2, `${path}: ${file} is empty (expected: a file with the token)`);
  return token;
}

async function read(file: string, path: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CommandError(2, `${path}: ${file}: ${codeOf(error)} (expected: a file that can be read)`);
  }
}

/** Undefined: `all`, which Consul has to say. */
function namedDatacenters(dc: string | undefined): readonly (string | undefined)[] | undefined {
  if (dc === undefined || dc === '') return [undefined];
  if (dc === 'all') return undefined;
  return [...new Set(dc.split(',').map((name) => name.trim()))].filter((name) => name !== '');
}

async function everyDatacenter(client: ConsulClient, address: string): Promise<readonly string[]> {
  const answer = await client.get({ path: '/catalog/datacenters', timeLimitMs: TIME_LIMIT_MS });
  if (answer.kind === 'failure') throw unreachable(address, answer.reason);
  const names: unknown = JSON.parse(answer.body.toString('utf8'));
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    throw unreachable(address, 'the answer is no list of datacenters');
  }
  return [...names].sort();
}

/** Consul did not answer, or not usefully: nothing can be said or done without it. */
function unreachable(address: string, reason: string): CommandError {
  return new CommandError(2, `Consul at ${address}: ${reason}`, 'check --consul, CONSUL_HTTP_ADDR and the ACL token');
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
