import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import type { StoredPolicy } from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-text';
import type { OverrideDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { describeWritten } from '../../policy/places/destination';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { consulNextStep } from '../consul/next-step';
import { inSlices, nameOf, orFailure, readEveryAllowed, type StoreSession, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { changeDocument, type DocumentChange, type DocumentChanged } from './change-document';

interface ChangeFlags extends ConsulFlags {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly message: string;
}

/** What `override set` asks for. */
interface SetFlags extends ChangeFlags {
  readonly to?: string;
  readonly datacenter?: string;
  readonly peer?: string;
  /** Milliseconds. */
  readonly ttl: number;
}

/** Makes the override of a new policy; undefined ends the override that is there. */
type MakeOverride = ((by: string, time: Date) => OverrideDocument) | undefined;

interface Result extends Omit<DocumentChanged, 'document'> {
  readonly override?: OverrideDocument;
}

/** `override set`. */
export async function setOverrides(services: readonly string[], flags: SetFlags, io: CommandIo): Promise<void> {
  const { to: subset, datacenter, peer, ttl, message: reason } = flags;
  if (subset === undefined && datacenter === undefined && peer === undefined) {
    const missing = '--to, --datacenter, --peer: missing (expected: at least one of them)';
    throw new CommandError(2, missing, 'add --to stable');
  }
  if (datacenter !== undefined && peer !== undefined) {
    throw new CommandError(2, '--peer: given beside --datacenter (expected: one or the other)', 'leave one out');
  }
  const to = peer === undefined ? subset : subset === undefined ? { peer } : { subset, peer };
  const make = (by: string, time: Date): OverrideDocument => {
    return { ...defined({ to, datacenter }), until: new Date(time.getTime() + ttl).toISOString(), by, reason };
  };
  await changeOverrides(services, make, flags, io);
}

/** `override clear`. */
export async function clearOverrides(services: readonly string[], flags: ChangeFlags, io: CommandIo): Promise<void> {
  await changeOverrides(services, undefined, flags, io);
}

async function changeOverrides(
  services: readonly string[],
  make: MakeOverride,
  flags: ChangeFlags,
  io: CommandIo,
): Promise<void> {
  if (services.length === 0 && flags.all !== true) {
    throw new CommandError(2, 'services: none (expected: at least one, or --all)', 'name the services');
  }
  if (services.length > 0 && flags.all === true) {
    const message = `--all: given beside ${services.join(', ')} (expected: one or the other)`;
    throw new CommandError(2, message, 'leave one out');
  }
  await withStore(flags, io, async (session) => {
    const results: Result[] = [];
    for (const datacenter of session.datacenters) {
      const named = flags.all === true ? await orFailure(session.policies.services(datacenter)) : services;
      if ('failure' in named) {
        const reason = `${named.failure}; ${consulNextStep(named.failure)}`;
        results.push({ service: '*', datacenter: nameOf(datacenter), outcome: 'refused', reason, isUnanswered: true });
      } else results.push(...(await inSlices(named, (name) => changeOne(name, datacenter, make, flags, session))));
    }
    if (results.length === 0) throw new CommandError(1, 'no service has a policy', 'run graylane policy apply FILE');
    if (results.some(({ outcome }) => outcome === 'refused')) io.exitCode = 1;
    if (results.every(({ isUnanswered }) => isUnanswered === true)) io.exitCode = 2;
    io.json(results.map(({ entry, isUnanswered: _, ...rest }) => ({ ...rest, ...defined({ number: entry?.number }) })));
    for (const result of results) showResult(result, io);
  });
}

async function changeOne(
  service: string,
  datacenter: string | undefined,
  make: MakeOverride,
  flags: ChangeFlags,
  session: StoreSession,
): Promise<Result> {
  const change: DocumentChange = {
    kind: 'override',
    message: flags.message,
    isPlanned: flags.dryRun === true,
    // Without the override the policy decides, and that was judged when it was written.
    isRefusable: make !== undefined && flags.force !== true,
    next({ override: old, ...rest }, author, time) {
      if (make === undefined && old === undefined) return undefined;
      return { ...rest, ...defined({ override: make?.(author, time) }) };
    },
  };
  const { document, ...changed } = await changeDocument(service, datacenter, change, session);
  return { ...changed, ...defined({ override: document?.override }) };
}

function showResult(result: Result, io: CommandIo): void {
  const { service, datacenter, outcome, override, entry, reason, remarks = [] } = result;
  const place = `${service} in ${datacenter}`;
  for (const remark of remarks) io.note(`${io.colors.yellow('note')} ${place}: ${remark}`);
  if (outcome === 'refused') {
    io.note(`graylane: ${place}: not written: ${reason}`);
    return;
  }
  const what = override === undefined ? 'no override' : `${describeOverride(override)} until ${override.until}`;
  const number = entry === undefined ? '' : `, number ${entry.number}`;
  io.line(`${outcome === 'written' ? io.colors.green(outcome) : outcome} ${place}: ${what}${number}`);
}

/** `to stable in dc1` */
function describeOverride({ to, datacenter }: OverrideDocument): string {
  const where = to === undefined ? '' : `to ${describeWritten(to)}`;
  return [where, datacenter === undefined ? '' : `in ${datacenter}`].join(' ').trim();
}

/** `override list`. */
export async function listOverrides(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const stored: StoredPolicy[] = [];
    for (const datacenter of session.datacenters) stored.push(...(await readEveryAllowed(session, datacenter)));
    const listed = stored.flatMap(({ service, datacenter, policy }) => {
      const override = ownValue(parseStored(policy?.text ?? ''), 'override');
      if (!isRecord(override)) return [];
      // Negative once it has ended.
      const remainingMs = (parseTimestamp(String(ownValue(override, 'until'))) ?? 0) - Date.now();
      const written = override as unknown as OverrideDocument;
      const inForce = remainingMs > 0;
      return [{ service, datacenter: nameOf(datacenter), inForce, remainingMs, override: written }];
    });
    io.json(listed);
    if (listed.length === 0) return io.line('no overrides');
    await io.table(listed, {
      service: ({ service }) => service,
      'written in': ({ datacenter }) => datacenter,
      override: ({ override }) => describeOverride(override),
      ends: ({ inForce, remainingMs }) => (inForce ? `in ${Math.ceil(remainingMs / 60_000)} min` : 'ended'),
      by: ({ override }) => override.by,
      reason: ({ override }) => override.reason,
    });
  });
}
