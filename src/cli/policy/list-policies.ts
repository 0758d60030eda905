import { GraylaneError } from '../../base/errors';
import { isRecord } from '../../base/is-record';
import { revisionOfText, sha256 } from '../../ops/store/history-entry';
import { parseStored, type StoredPolicy } from '../../ops/store/policy-store';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command-error';
import type { ConsulFlags } from '../consul/consul-connection';
import { nameOf, type StoreSession, withStore } from '../consul/store-session';
import { inSlices } from '../in-slices';
import type { CommandIo } from '../io';

interface Listed {
  readonly service: string;
  readonly datacenter: string;
  /** Null: what stands there is no policy document. */
  readonly revision: string | null;
  /** It says that the service has no policy any more. */
  readonly isTombstone: boolean;
  /** Number, time, author and message of the history; null where it was written past the history. */
  readonly number: number | null;
  readonly time: string | null;
  readonly author: string | null;
  readonly message: string | null;
  /** Until when an override is in force, RFC 3339. */
  readonly overrideUntil: string | null;
}

/** `policy list`. */
export async function listPolicies(flags: ConsulFlags & { readonly json?: boolean }, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const listed: Listed[] = [];
    const failures: string[] = [];
    for (const datacenter of session.datacenters) {
      try {
        listed.push(...(await listOne(session, datacenter)));
      } catch (error) {
        if (!GraylaneError.is(error)) throw error;
        failures.push(`${nameOf(datacenter)}: ${error.message}`);
      }
    }
    if (failures.length === session.datacenters.length) {
      throw new CommandError(
        2,
        `Consul at ${session.connection.address}: ${failures.join(', ')}`,
        'check --consul, CONSUL_HTTP_ADDR and what the ACL token permits',
      );
    }
    listed.sort((a, b) => compare(a.service, b.service) || compare(a.datacenter, b.datacenter));
    if (flags.json === true) io.json(listed);
    else await show(listed, session.datacenters.length > 1, io);
    if (failures.length > 0) io.exitCode = 1;
    for (const failure of failures) io.note(`graylane: ${failure}`);
  });
}

async function listOne({ store }: StoreSession, datacenter: string | undefined): Promise<readonly Listed[]> {
  const services = await store.services(datacenter);
  return (await inSlices(services, (service) => store.read(service, datacenter))).flatMap(describe);
}

function describe({ service, datacenter, policy, history }: StoredPolicy): readonly Listed[] {
  // Deleted since it was listed.
  if (policy === undefined) return [];
  const value = parseStored(policy.text);
  const digest = sha256(policy.text);
  const entry = history.findLast((stored) => stored.entry?.documentDigest === digest)?.entry;
  const until = String(ownValue(ownValue(value, 'override'), 'until'));
  return [
    {
      service,
      datacenter: nameOf(datacenter),
      revision: revisionOfText(policy.text) ?? null,
      isTombstone: isRecord(value) && ownValue(value, 'tombstone') === true,
      number: entry?.number ?? null,
      time: entry?.time ?? null,
      author: entry?.author ?? null,
      message: entry?.message ?? null,
      overrideUntil: (parseTimestamp(until) ?? 0) > Date.now() ? until : null,
    },
  ];
}

async function show(listed: readonly Listed[], isWide: boolean, io: CommandIo): Promise<void> {
  if (listed.length === 0) {
    io.line('no service has a policy');
    io.note('graylane init SERVICE writes a first one from what Consul lists');
    return;
  }
  await io.table(
    ['service', ...(isWide ? ['datacenter'] : []), 'revision', 'number', 'time', 'author', 'message'],
    listed.map((each) => [
      each.service,
      ...(isWide ? [each.datacenter] : []),
      each.isTombstone ? 'deleted' : (each.revision ?? io.colors.red('not a document')),
      `${each.number ?? ''}`,
      each.time ?? 'past the history',
      each.author ?? '',
      each.overrideUntil === null
        ? (each.message ?? '')
        : `${io.colors.yellow(`override until ${each.overrideUntil}`)}; ${each.message ?? ''}`,
    ]),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
