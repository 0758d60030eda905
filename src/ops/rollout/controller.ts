import { createInterruptibleSleep } from '../../base/sleep';
import { messageOf } from './analysis/requests';
import type { Lease } from './lease';
import { type ReconcileResult, type RolloutContext, reconcile } from './reconcile';
import { hasEnded, type RolloutRecord } from './record';
import type { RecordWatch } from './record-store';

/** Callbacks of a controller. Each is called when something changed, not for every look. */
export interface ControllerWatch<R = RolloutRecord> {
  /** A record as it was last read, of what is under way or has just ended. */
  onRecord(name: string, record: R): void;
  /** This controller drives it now, or another one does. `name`: the service of a rollout. */
  onRole(name: string, role: 'leader' | 'standby', holder: string): void;
  /** Nothing moves until this is over; undefined: it is. */
  onProblem(name: string, problem: string | undefined): void;
}

export interface ControllerOptions {
  readonly deps: RolloutContext;
  readonly lease: Lease;
  readonly watch: ControllerWatch;
  /** Watches one rollout while it is under way, so that the controller reacts at once. */
  readonly listen: (service: string, onChange: () => void) => RecordWatch;
  /** Ends the controller; what is being written is written to its end. */
  readonly signal: AbortSignal;
}

/** Time between two looks, and so the longest time until a foreign change of the policy is seen. */
const LOOK_MS = 1000;
/** Time between two looks where nothing is to be done, or where a watch reports every change. */
const REST_MS = 5000;
const LOST_MS = 50;
/** So many writes in a row that do not hold may be for a session that Consul has ended. */
const LOST_TWICE = 2;
/** So many writes in a row that do not hold are no race any more. */
const LOST_OFTEN = 10;

/** Leads every rollout of the datacenter, also those that start later, until `signal` aborts. Never rejects. */
export async function runController(options: ControllerOptions): Promise<void> {
  const { deps, watch, signal } = options;
  await leadAll({ names: () => deps.rollouts.names(), watch, signal }, (name) => runRollout(name, options, false));
}

/**
 * Leads one rollout, or stands by while another controller does, until `signal` aborts or, with `untilEnded`, the
 * rollout has ended. Resolves to the last record, undefined when there was none. Never rejects.
 */
export async function runRollout(
  service: string,
  { deps, lease, watch, listen, signal }: ControllerOptions,
  untilEnded: boolean,
): Promise<RolloutRecord | undefined> {
  return await lead<RolloutRecord>({
    ...{ name: service, lease, watch, signal, untilEnded, now: deps.now },
    reconcile: (session) => reconcile(service, session, deps),
    isOver: ({ progress }) => hasEnded(progress),
    listen: (onChange) => listen(service, onChange),
  });
}

interface LeadAllOptions {
  readonly names: () => Promise<readonly string[]>;
  readonly watch: Pick<ControllerWatch, 'onProblem'>;
  readonly signal: AbortSignal;
}

/** Runs `loop` for each name, also those that come later, until `signal` aborts. Never rejects. */
export async function leadAll(
  { names, watch, signal }: LeadAllOptions,
  loop: (name: string) => Promise<unknown>,
): Promise<void> {
  const loops = new Map<string, Promise<unknown>>();
  const pause = createInterruptibleSleep(signal);
  const problem = createProblemReporter('*', watch);
  while (!signal.aborted) {
    try {
      for (const name of await names()) {
        if (!loops.has(name)) loops.set(name, loop(name));
      }
      problem(undefined);
    } catch (error) {
      problem(messageOf(error));
    }
    await pause.sleep(LOOK_MS);
  }
  await Promise.all(loops.values());
}

/** What is led under one name. */
export interface LeadOptions<R> {
  readonly name: string;
  readonly lease: Lease;
  readonly watch: ControllerWatch<R>;
  readonly signal: AbortSignal;
  readonly untilEnded: boolean;
  now(): number;
  reconcile(session: string): Promise<ReconcileResult<R>>;
  isOver(record: R): boolean;
  listen(onChange: () => void): RecordWatch;
}

/** As {@link runRollout}, of any record. */
export async function lead<R extends { readonly stamp: string }>(options: LeadOptions<R>): Promise<R | undefined> {
  const { lease, signal } = options;
  const reporter = createStatusReporter(options);
  const pause = createInterruptibleSleep(signal);
  let changes: RecordWatch | undefined;
  let lost = 0;
  try {
    while (!signal.aborted) {
      pause.reset();
      const { session } = lease;
      if (session === undefined) {
        await lease.tried;
        if (lease.session === undefined) reporter.problem(lease.problem);
        await pause.sleep(LOST_MS);
        continue;
      }
      let result: ReconcileResult<R>;
      try {
        result = await options.reconcile(session);
      } catch (error) {
        reporter.problem(messageOf(error));
        await pause.sleep(LOOK_MS);
        continue;
      }
      lost = result.kind === 'lost' ? lost + 1 : 0;
      if (lost === LOST_TWICE) lease.check();
      reporter.result(result, lost);
      const isOver = result.kind === 'ended' || result.kind === 'none';
      if (options.untilEnded && isOver) return result.kind === 'ended' ? result.record : undefined;
      if (!isOver) changes ??= options.listen(pause.wake);
      else if (changes !== undefined) {
        // Each takes a connection to Consul, and there are more services than rollouts under way.
        changes.close();
        changes = undefined;
      }
      await pause.sleep(delayAfter(result, options.now(), lost, changes?.isListening === true));
    }
    return undefined;
  } finally {
    changes?.close();
  }
}

interface StatusReporter<R> {
  problem(text: string | undefined): void;
  result(result: ReconcileResult<R>, lost: number): void;
}

/** Reports each change once. */
function createStatusReporter<R extends { readonly stamp: string }>({
  name,
  watch,
  isOver,
}: LeadOptions<R>): StatusReporter<R> {
  let shown: string | undefined;
  let role: string | undefined;
  const problem = createProblemReporter(name, watch);
  return {
    problem,
    result(result, lost) {
      if ('record' in result) {
        const { record } = result;
        const holder = result.kind === 'standby' ? result.holder : 'this';
        if (holder !== role && !isOver(record)) {
          watch.onRole(name, result.kind === 'standby' ? 'standby' : 'leader', holder);
        }
        role = holder;
        if (shown !== record.stamp) watch.onRecord(name, record);
        shown = record.stamp;
      }
      if (result.kind === 'refused') problem(result.reason);
      else if (lost >= LOST_OFTEN) problem('writes do not hold; the token may lack key:read or session:read');
      else if (result.kind !== 'lost') problem(undefined);
    },
  };
}

/** Reports each change once. */
function createProblemReporter(
  name: string,
  watch: Pick<ControllerWatch, 'onProblem'>,
): (text: string | undefined) => void {
  let shown: string | undefined;
  return (text) => {
    if (shown !== text) watch.onProblem(name, text);
    shown = text;
  };
}

/** `nowMs`: wall clock. `lost`: writes in a row that did not hold. */
function delayAfter(result: ReconcileResult<unknown>, nowMs: number, lost: number, isListening: boolean): number {
  switch (result.kind) {
    case 'acted':
      return 0;
    case 'lost':
      return Math.min(LOST_MS * lost, LOOK_MS);
    case 'idle':
      return Math.max(0, Math.min(LOOK_MS, (result.wakeMs ?? Number.POSITIVE_INFINITY) - nowMs));
    case 'standby':
      return isListening ? REST_MS : LOOK_MS;
    case 'refused':
      return LOOK_MS;
    case 'ended':
    case 'none':
      return REST_MS;
  }
}
