import { stringify } from 'yaml';
import { revisionOfText, type StoredPolicy, sha256 } from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-store';
import { CommandError } from '../command-error';
import type { ConsulFlags } from '../consul/consul-connection';
import { nameOf, type Reading, readAll, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';

/** `policy get`. */
export async function getPolicy(
  service: string,
  flags: ConsulFlags & { readonly json?: boolean; readonly yaml?: boolean },
  io: CommandIo,
): Promise<void> {
  await withStore(flags, io, async (session) => {
    const readings = await readAll(session, service);
    const [only] = readings;
    if (flags.json !== true && readings.length === 1 && only !== undefined && 'stored' in only) {
      printOne(only.stored, flags.yaml === true, io);
      return;
    }
    const rows = readings.map(rowOf);
    const diverging = new Set(rows.map(({ revision }) => revision)).size > 1;
    if (diverging || readings.some((reading) => 'failure' in reading || reading.stored.policy === undefined))
      io.exitCode = 1;
    if (flags.json === true) {
      io.json({ service, diverging, datacenters: rows });
      return;
    }
    await io.table(
      ['datacenter', 'revision', 'number', 'time', 'author'],
      rows.map((row) => [
        row.datacenter,
        row.failure ?? row.revision ?? 'no policy',
        `${row.number ?? ''}`,
        row.time ?? '',
        row.author ?? '',
      ]),
    );
    if (diverging) io.note(`graylane: the datacenters diverge; run graylane policy apply FILE -m MESSAGE --dc all`);
  });
}

function printOne({ service, datacenter, policy }: StoredPolicy, yaml: boolean, io: CommandIo): void {
  if (policy === undefined) {
    throw new CommandError(1, `${service} has no policy in ${nameOf(datacenter)}`, 'run graylane policy apply FILE');
  }
  const value = yaml ? parseStored(policy.text) : undefined;
  io.write(value === undefined ? ended(policy.text) : stringify(value, { aliasDuplicateObjects: false }));
}

function ended(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

interface Row {
  readonly datacenter: string;
  readonly revision?: string;
  readonly number?: number;
  readonly time?: string;
  readonly author?: string;
  readonly failure?: string;
  readonly document?: unknown;
}

function rowOf(reading: Reading): Row {
  const datacenter = nameOf(reading.datacenter);
  if ('failure' in reading) return { datacenter, failure: reading.failure };
  const { policy, history } = reading.stored;
  if (policy === undefined) return { datacenter };
  const digest = sha256(policy.text);
  const entry = history.findLast((stored) => stored.entry?.documentDigest === digest)?.entry;
  return {
    datacenter,
    revision: revisionOfText(policy.text) ?? 'not a document',
    ...(entry === undefined ? {} : { number: entry.number, time: entry.time, author: entry.author }),
    document: parseStored(policy.text) ?? policy.text,
  };
}
