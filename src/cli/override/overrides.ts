import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { isRecord } from '../../base/is-record';
import { sleep } from '../../base/sleep';
import type { HistoryEntry, StoredPolicy } from '../../ops/store/history';
import { documentText, parseStored } from '../../ops/store/policy-text';
import { compilePolicy } from '../../policy/compile';
import type { OverrideDocument, PolicyDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import type { Plan } from '../../policy/plan';
import { validatePolicy } from '../../policy/validate';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { effectIn } from '../consul/registry-view';
import { nameOf, type StoreSession, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';

/** What `override set` asks for; undefined clears. */
export interface OverrideRequest {
  readonly to?: string;
  readonly datacenter?: string;
  readonly ttlMs: number;
  readonly reason: string;
}

export interface ChangeSettings extends ConsulFlags {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly message: string;
}

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
const AT_ONCE = 8;

/** `override set` and `override clear`. */
export async function changeOverrides(
  services: readonly string[],
  request: OverrideRequest | undefined,
  settings: ChangeSettings,
  io: CommandIo,
): Promise<void> {
  await withStore(settings, io, async (session) => {
    const results: Result[] = [];
    for (const datacenter of session.datacenters) {
      const named = settings.all === true ? await servicesIn(session, datacenter, results) : services;
      for (let at = 0; at < named.length; at += AT_ONCE) {
        const slice = named.slice(at, at + AT_ONCE);
        results.push(
          ...(await Promise.all(slice.map((name) => changeOne(name, datacenter, request, settings, session)))),
        );
      }
    }
    if (results.length === 0) throw new CommandError(1, 'no service has a policy', 'run graylane policy apply FILE');
    if (results.some(({ outcome }) => outcome === 'refused')) io.exitCode = 1;
    if (settings.json === true) {
      io.json(
        results.map(({ entry, ...rest }) => ({ ...rest, ...(entry === undefined ? {} : { number: entry.number }) })),
      );
    }
    for (const result of results) showResult(result, io, settings.json === true);
  });
}

async function servicesIn(
  { store }: StoreSession,
  datacenter: string | undefined,
  results: Result[],
): Promise<readonly string[]> {
  try {
    return await store.services(datacenter);
  } catch (error) {
    if (!GraylaneError.is(error)) throw error;
    results.push({ service: '*', datacenter: nameOf(datacenter), outcome: 'refused', reason: error.message });
    return [];
  }
}

async function changeOne(
  service: string,
  datacenter: string | undefined,
  request: OverrideRequest | undefined,
  settings: ChangeSettings,
  session: StoreSession,
): Promise<Result> {
  const { store } = session;
  const named = { service, datacenter: nameOf(datacenter) };
  const refused = (reason: string): Result => ({ ...named, outcome: 'refused', reason });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    let before: StoredPolicy;
    try {
      before = await store.read(service, datacenter);
    } catch (error) {
      if (GraylaneError.is(error)) return refused(error.message);
      throw error;
    }
    const current = currentDocument(before);
    if (typeof current === 'string') return refused(current);
    const { override: old, ...rest } = current;
    if (request === undefined && old === undefined) return { ...named, outcome: 'unchanged' };
    const author = await session.author();
    const time = new Date();
    const override = request === undefined ? undefined : overrideOf(request, author, time);
    const next: PolicyDocument = override === undefined ? rest : { ...rest, override };
    const [problem] = validatePolicy(next, { service }).problems;
    if (problem !== undefined) return refused(problem.message);
    const { harms, remarks } = await effectOf(before, current, next, session);
    // To end an override is to go by the policy that was judged when it was written.
    if (request !== undefined && harms.length > 0 && settings.force !== true) {
      return refused(`${harms.join('; ')}; choose another, or, if it is meant, --force`);
    }
    const told = { ...named, remarks: [...harms, ...remarks] };
    const shown = override === undefined ? told : { ...told, override };
    if (settings.dryRun === true) return { ...shown, outcome: 'planned' };
    const { message } = settings;
    const outcome = await store.write({ before, text: documentText(next), kind: 'override', author, message, time });
    if (outcome.kind === 'written') return { ...shown, outcome: 'written', entry: outcome.entry };
    if (outcome.kind !== 'lost') return refused(outcome.reason);
    // Not in step with the others who lost.
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

function overrideOf({ to, datacenter, ttlMs, reason }: OverrideRequest, by: string, time: Date): OverrideDocument {
  return {
    ...defined({ to, datacenter }),
    until: new Date(time.getTime() + ttlMs).toISOString(),
    by,
    reason,
  };
}

function showResult(result: Result, io: CommandIo, json: boolean): void {
  const { service, datacenter, outcome, override, entry, reason, remarks = [] } = result;
  const place = `${service} in ${datacenter}`;
  for (const remark of remarks) io.note(`${io.colors.yellow('note')} ${place}: ${remark}`);
  if (outcome === 'refused') {
    io.note(`graylane: ${place}: not written: ${reason}`);
    return;
  }
  if (json) return;
  const what = override === undefined ? 'no override' : `${describeOverride(override)} until ${override.until}`;
  const number = entry === undefined ? '' : `, number ${entry.number}`;
  io.line(`${outcome === 'written' ? io.colors.green(outcome) : outcome} ${place}: ${what}${number}`);
}

/** `to stable in dc1` */
function describeOverride({ to, datacenter }: OverrideDocument): string {
  return [to === undefined ? '' : `to ${to}`, datacenter === undefined ? '' : `in ${datacenter}`].join(' ').trim();
}

interface Listed {
  readonly service: string;
  readonly datacenter: string;
  readonly inForce: boolean;
  /** Until it ends; negative once it has. */
  readonly remainingMs: number;
  readonly override: OverrideDocument;
}

/** `override list`. */
export async function listOverrides(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async ({ store, datacenters }) => {
    const listed: Listed[] = [];
    for (const datacenter of datacenters) {
      for (const service of await store.services(datacenter)) {
        const { policy } = await store.read(service, datacenter);
        const override = ownValue(parseStored(policy?.text ?? ''), 'override');
        if (!isRecord(override)) continue;
        const until = parseTimestamp(String(ownValue(override, 'until')));
        const remainingMs = (until ?? 0) - Date.now();
        const written = override as unknown as OverrideDocument;
        listed.push({
          service,
          datacenter: nameOf(datacenter),
          inForce: remainingMs > 0,
          remainingMs,
          override: written,
        });
      }
    }
    if (flags.json === true) {
      io.json(listed);
      return;
    }
    if (listed.length === 0) {
      io.line('no overrides');
      return;
    }
    await io.table(
      ['service', 'written in', 'override', 'ends', 'by', 'reason'],
      listed.map(({ service, datacenter, inForce, remainingMs, override }) => [
        service,
        datacenter,
        describeOverride(override),
        inForce ? `in ${Math.ceil(remainingMs / 60_000)} min` : 'ended',
        override.by ?? '',
        override.reason ?? '',
      ]),
    );
  });
}
