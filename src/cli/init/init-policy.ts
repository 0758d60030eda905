import { writeFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { CommandError } from '../command-error';
import { connectConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import { firstPolicyOf } from './first-policy';
import type { InitFlags } from './init';

/** `init`. */
export async function initPolicy(service: string, flags: InitFlags, io: CommandIo): Promise<void> {
  const connection = await connectConsul(flags, io);
  try {
    const text = await firstPolicyOf(service, connection, await connection.datacenters(), flags);
    if (flags.json === true) io.json(parse(text));
    if (flags.output !== undefined) await writeNew(flags.output, text);
    else if (flags.json !== true) io.write(text);
    const file = flags.output ?? 'FILE';
    io.note(`next: graylane policy diff ${file}, then graylane policy apply ${file} -m 'first policy'`);
  } finally {
    connection.close();
  }
}

/** A file that is there may be somebody's work. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(2, `--output: ${file}: ${code} (expected: a new file in a folder that is there)`);
  }
}
