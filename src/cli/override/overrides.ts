import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import { sleep } from '../../base/sleep';
import type { HistoryEntry, StoredPolicy } from '../../ops/store/history';
import { documentText, parseStored } from '../../ops/store/policy-text';
import { compilePolicy } from '../../policy/compile';
import type { OverrideDocument, PolicyDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { describeWritten } from '../../policy/places/destination';
import { ownValue } from '../../policy/plain-data';
import type { Plan } from '../../policy/plan';
import { validatePolicy } from '../../policy/validate';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { effectIn } from '../consul/registry-view';
import { inSlices, nameOf, orFailure, readEvery, type StoreSession, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';

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

interface Result {
  readonly service: string;
  readonly datacenter: string;
  readonly outcome: 'written' | 'unchanged' | 'planned' | 'refused';
  readonly override?: OverrideDocument;
  readonly entry?: HistoryEntry;
  readonly reason?: string;
  readonly remarks?: readonly string[];
}

/** Attempts to write: after a change by another writer the override is added to the new policy. */
const ATTEMPTS = 20;

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
        results.push({ service: '*', datacenter: nameOf(datacenter), outcome: 'refused', reason: named.failure });
      } else results.push(...(await inSlices(named, (name) => changeOne(name, datacenter, make, flags, session))));
    }
    if (results.length === 0) throw new CommandError(1, 'no service has a policy', 'run graylane policy apply FILE');
    if (results.some(({ outcome }) => outcome === 'refused')) io.exitCode = 1;
    io.json(results.map(({ entry, ...rest }) => ({ ...rest, ...defined({ number: entry?.number }) })));
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
  const { policies } = session;
  const named = { service, datacenter: nameOf(datacenter) };
  const refused = (reason: string): Result => ({ ...named, outcome: 'refused', reason });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = await orFailure(policies.read(service, datacenter));
    if ('failure' in before) return refused(before.failure);
    const current = currentDocument(before);
    if (typeof current === 'string') return refused(current);
    const { override: old, ...rest } = current;
    if (make === undefined && old === undefined) return { ...named, outcome: 'unchanged' };
    const author = await session.author();
    const time = new Date();
    const override = make?.(author, time);
    const next: PolicyDocument = { ...rest, ...defined({ override }) };
    const [problem] = validatePolicy(next, { service }).problems;
    if (problem !== undefined) return refused(problem.message);
    const { harms, remarks } = await effectOf(before, current, next, session);
    // Without the override the policy decides, and that was judged when it was written.
    if (make !== undefined && harms.length > 0 && flags.force !== true) {
      return refused(`${harms.join('; ')}; choose another, or, if it is meant, --force`);
    }
    const shown = { ...named, remarks: [...harms, ...remarks], ...defined({ override }) };
    if (flags.dryRun === true) return { ...shown, outcome: 'planned' };
    const { message } = flags;
    const outcome = await policies.write({ before, text: documentText(next), kind: 'override', author, message, time });
    if (outcome.kind === 'written') return { ...shown, outcome: 'written', entry: outcome.entry };
    if (outcome.kind !== 'lost') return refused(outcome.reason);
    // A random time, so that writers that lost do not meet again.
    await sleep(Math.random() * 20 * (attempt + 1));
  }
  return refused(`lost the race ${ATTEMPTS} times; try again`);
}

/** The effect on calls. Unreadable instances are only a remark, because an emergency must not wait for them. */
async function effectOf(
  { service, datacenter }: StoredPolicy,
  current: PolicyDocument,
  next: PolicyDocument,
  { connection }: StoreSession,
): Promise<{ readonly harms: readonly string[]; readonly remarks: readonly string[] }> {
  const planOf = (content: PolicyDocument): Plan =>
    compilePolicy({ content, format: 'object' }, { service, origin: 'kv' });
  const judge = effectIn(connection, { service, datacenter }, { tolerant: true });
  const effect = await judge(planOf(current), planOf(next));
  if ('failure' in effect) return { harms: [], remarks: [effect.failure] };
  return { harms: effect.findings.filter(({ isNew }) => isNew).map(({ text }) => text), remarks: effect.remarks };
}

/** The document in force, or why it cannot be changed. */
function currentDocument({ service, policy }: StoredPolicy): PolicyDocument | string {
  if (policy === undefined) return 'it has no policy; graylane policy apply gives it one';
  const judged = validatePolicy(parseStored(policy.text), { service });
  if (judged.document === undefined) {
    return `the policy in Consul is not valid: ${judged.problems[0]?.message ?? 'not JSON'}; mend it with graylane policy apply`;
  }
  return judged.document.tombstone === true ? 'it has no policy any more (a tombstone)' : judged.document;
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
    for (const datacenter of session.datacenters) stored.push(...(await readEvery(session, datacenter)));
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
