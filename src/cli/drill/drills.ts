import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import type { StatusName } from '../../base/status-names';
import type { StoredPolicy } from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-text';
import type { FaultDocument, NamedFaultDocument, PolicyDocument } from '../../policy/document';
import { describeFault } from '../../policy/faults';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { nameOf, readEveryAllowed, withStore } from '../consul/store-session';
import { didYouMean } from '../describe';
import type { CommandIo } from '../io';
import { changeDocument, type DocumentChange, type DocumentChanged } from '../override/change-document';
import { faultTarget } from './parse';

interface ChangeFlags extends ConsulFlags {
  readonly dryRun?: boolean;
  readonly message: string;
}

/** What `drill start` asks for. */
interface StartFlags extends ChangeFlags {
  readonly label: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly in?: string;
  readonly abort?: StatusName;
  /** Milliseconds. */
  readonly delay?: number;
  readonly percent: number;
  /** Milliseconds. */
  readonly for: number;
  readonly stopAbove?: number;
  readonly minimumCalls?: number;
  readonly name: string;
  readonly force?: boolean;
}

/** `drill start`. */
export async function startDrill(service: string, flags: StartFlags, io: CommandIo): Promise<void> {
  const { abort, delay, message, name, stopAbove, minimumCalls } = flags;
  if (abort === undefined && delay === undefined) {
    throw new CommandError(2, '--abort, --delay: missing (expected: one of them, or both)', 'add --abort UNAVAILABLE');
  }
  if (minimumCalls !== undefined && stopAbove === undefined) {
    throw new CommandError(2, '--minimum-calls: without --stop-above', 'add --stop-above 5');
  }
  const next: DocumentChange['next'] = (current, by, time) => {
    const nowMs = time.getTime();
    const kept = (current.faults ?? []).filter((fault) => isInForce(fault, nowMs));
    const running = kept.find((fault) => fault.name === name);
    if (running !== undefined) {
      return `a drill ${name} runs until ${running.until}; graylane drill stop ${service} ${name} ends it, --name gives this one another name`;
    }
    const fault = faultOf(flags, current, by, new Date(nowMs + flags.for));
    return { ...current, faults: [...kept, fault] };
  };
  const change = { kind: 'drill', message, next, isPlanned: flags.dryRun === true } as const;
  await changeAll(service, { ...change, isRefusable: flags.force !== true }, flags, io, ({ document }) => {
    const fault = document?.faults?.find((each) => each.name === name);
    return fault === undefined ? 'no drill' : `drill ${name} until ${fault.until}: ${describeFault(fault)}`;
  });
  if (io.exitCode === 0 && stopAbove === undefined) {
    io.note('nothing ends it early: --stop-above 5 would, in each client of which more than 5 % of the calls fail');
  }
}

function faultOf(flags: StartFlags, current: PolicyDocument, by: string, until: Date): NamedFaultDocument {
  const { abort, delay, in: target, label, message, method, minimumCalls, name, percent, stopAbove } = flags;
  const labels = Object.keys(label).length === 0 ? undefined : label;
  const methods = method === undefined ? undefined : [method];
  const match = labels === undefined && methods === undefined ? undefined : defined({ methods, labels });
  return defined({
    name,
    match,
    in: target === undefined ? undefined : faultTarget(target, current),
    abort,
    delayMs: delay,
    percent,
    until: until.toISOString(),
    by,
    reason: message,
    stopAbove: stopAbove === undefined ? undefined : defined({ failedPercentage: stopAbove, minimumCalls }),
  }) as NamedFaultDocument;
}

/** `drill stop`. Those that have ended are tidied away, too. */
export async function stopDrill(
  service: string,
  name: string | undefined,
  flags: ChangeFlags,
  io: CommandIo,
): Promise<void> {
  let stopped: readonly string[] = [];
  const next: DocumentChange['next'] = ({ faults = [], ...rest }, _, time) => {
    const names = faults.map((fault) => fault.name);
    if (name !== undefined && !names.includes(name)) {
      const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
      return `no drill ${name}: ${known} ${didYouMean(name, names)}`.trim();
    }
    const kept = faults.filter(
      (fault) => name !== undefined && fault.name !== name && isInForce(fault, time.getTime()),
    );
    stopped = names.filter((each) => !kept.some((fault) => fault.name === each));
    if (stopped.length === 0) return undefined;
    return kept.length === 0 ? (rest as PolicyDocument) : { ...rest, faults: kept };
  };
  const change = { kind: 'drill', message: flags.message, next, isPlanned: flags.dryRun === true } as const;
  // Without the fault the policy decides, and that was judged when it was written.
  await changeAll(service, { ...change, isRefusable: false }, flags, io, ({ document }) => {
    const routes = (document?.routes ?? []).filter(({ fault }) => fault !== undefined && isInForce(fault, Date.now()));
    const left = routes.length === 0 ? '' : `; faults of routes stay: ${routes.map((route) => route.name).join(', ')}`;
    return `${stopped.length === 0 ? 'no drill' : `without ${stopped.join(', ')}`}${left}`;
  });
}

/** In each datacenter in turn; describes what came of it. */
async function changeAll(
  service: string,
  change: DocumentChange,
  flags: ChangeFlags,
  io: CommandIo,
  describe: (changed: DocumentChanged) => string,
): Promise<void> {
  await withStore(flags, io, async (session) => {
    const results: object[] = [];
    let unanswered = 0;
    for (const datacenter of session.datacenters) {
      const changed = await changeDocument(service, datacenter, change, session);
      const { document, entry, isUnanswered, ...rest } = changed;
      if (isUnanswered === true) unanswered += 1;
      results.push({ ...rest, ...defined({ faults: document?.faults, number: entry?.number }) });
      showChanged(changed, describe(changed), io);
    }
    if (unanswered === session.datacenters.length) io.exitCode = 2;
    io.json(results);
  });
}

function showChanged(changed: DocumentChanged, what: string, io: CommandIo): void {
  const { service, datacenter, outcome, entry, reason, remarks = [] } = changed;
  const place = `${service} in ${datacenter}`;
  for (const remark of remarks) io.note(`${io.colors.yellow('note')} ${place}: ${remark}`);
  if (outcome === 'refused') {
    io.exitCode = 1;
    io.note(`graylane: ${place}: not written: ${reason}`);
    return;
  }
  const number = entry === undefined ? '' : `, number ${entry.number}`;
  io.line(`${outcome === 'written' ? io.colors.green(outcome) : outcome} ${place}: ${what}${number}`);
}

function isInForce({ until }: Pick<FaultDocument, 'until'>, nowMs: number): boolean {
  return nowMs < (parseTimestamp(until) ?? Number.NEGATIVE_INFINITY);
}

/** A fault that stands in a policy, and where. */
export interface ListedFault {
  readonly service: string;
  readonly datacenter: string;
  readonly name: string;
  readonly inForce: boolean;
  /** Negative once it has ended. */
  readonly remainingMs: number;
  readonly fault: FaultDocument & Partial<NamedFaultDocument>;
}

/** `drill list`. */
export async function listDrills(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const stored: StoredPolicy[] = [];
    for (const datacenter of session.datacenters) stored.push(...(await readEveryAllowed(session, datacenter)));
    const listed = stored.flatMap(faultsIn);
    io.json(listed);
    if (listed.length === 0) return io.line('no drills');
    await io.table(listed, {
      service: ({ service }) => service,
      'written in': ({ datacenter }) => datacenter,
      name: ({ name }) => name,
      effect: ({ fault }) => describeFault(fault),
      ends: ({ inForce, remainingMs }) => (inForce ? `in ${Math.ceil(remainingMs / 60_000)} min` : 'ended'),
      'stops above': ({ fault }) => (fault.stopAbove === undefined ? 'never' : `${fault.stopAbove.failedPercentage} %`),
      by: ({ fault }) => fault.by,
      reason: ({ fault }) => fault.reason,
    });
  });
}

/** Of the policy and of its routes; what is not as a fault should be is left to `policy validate`. */
export function faultsIn({ service, datacenter, policy }: StoredPolicy): readonly ListedFault[] {
  const document = parseStored(policy?.text ?? '');
  const all = (key: string): readonly unknown[] => {
    const value = ownValue(document, key);
    return Array.isArray(value) ? value : [];
  };
  const found = [
    ...all('faults').map((fault) => [String(ownValue(fault, 'name')), fault] as const),
    ...all('routes').map((route) => [`route ${String(ownValue(route, 'name'))}`, ownValue(route, 'fault')] as const),
  ];
  return found.flatMap(([name, fault]) => {
    if (!isRecord(fault)) return [];
    const remainingMs = (parseTimestamp(String(ownValue(fault, 'until'))) ?? 0) - Date.now();
    const written = fault as unknown as ListedFault['fault'];
    return [{ service, datacenter: nameOf(datacenter), name, inForce: remainingMs > 0, remainingMs, fault: written }];
  });
}
