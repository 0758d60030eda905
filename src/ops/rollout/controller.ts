import { createInterruptibleSleep } from '../../base/sleep';
import { messageOf } from './analysis/requests';
import type { Lease } from './lease';
import { type ReconcileResult, type RolloutContext, reconcile } from './reconcile';
import { hasEnded, type RolloutRecord } from './record';
import type { RecordWatch } from './record-store';

/** Callbacks of a controller. Each is called when something changed, not for every look. */
export interface ControllerWatch {
  /** A record as it was last read, of a rollout that is under way or has just ended. */
  onRecord(service: string, record: RolloutRecord): void;
  /** This controller drives the rollout now, or another one does. */
  onRole(service: string, role: 'leader' | 'standby', holder: string): void;
  /** Nothing moves until this is over; undefined: it is. */
  onProblem(service: string, problem: string | undefined): void;
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
  const loops = new Map<string, Promise<unknown>>();
  const pause = createInterruptibleSleep(signal);
  const reporter = createStatusReporter('*', watch);
  while (!signal.aborted) {
    try {
      for (const service of await deps.rollouts.names()) {
        if (!loops.has(service)) loops.set(service, runRollout(service, options, false));
      }
      reporter.problem(undefined);
    } catch (error) {
      reporter.problem(messageOf(error));
    }
    await pause.sleep(LOOK_MS);
  }
  await Promise.all(loops.values());
}

/**
 * Leads one rollout, or stands by while another controller does, until `signal` aborts or, with `untilEnded`, the
 * rollout has ended. Resolves to the last record, undefined when there was none. Never rejects.
 */
export async function runRollout(
  service: string,
  options: ControllerOptions,
  untilEnded: boolean,
): Promise<RolloutRecord | undefined> {
  const { deps, lease, signal } = options;
  const reporter = createStatusReporter(service, options.watch);
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
      let result: ReconcileResult;
      try {
        result = await reconcile(service, session, deps);
      } catch (error) {
        reporter.problem(messageOf(error));
        await pause.sleep(LOOK_MS);
        continue;
      }
      lost = result.kind === 'lost' ? lost + 1 : 0;
      if (lost === LOST_TWICE) lease.check();
      reporter.result(result, lost);
      const isOver = result.kind === 'ended' || result.kind === 'none';
      if (untilEnded && isOver) return result.kind === 'ended' ? result.record : undefined;
      if (!isOver) changes ??= options.listen(service, pause.wake);
      else if (changes !== undefined) {
        // Each takes a connection to Consul, and there are more services than rollouts under way.
        changes.close();
        changes = undefined;
      }
      await pause.sleep(delayAfter(result, deps.now(), lost, changes?.isListening === true));
    }
    return undefined;
  } finally {
    changes?.close();
  }
}

interface StatusReporter {
  problem(text: string | undefined): void;
  result(result: ReconcileResult, lost: number): void;
}

/** Reports each change once. */
function createStatusReporter(service: string, watch: ControllerWatch): StatusReporter {
  let shown: string | undefined;
  let role: string | undefined;
  let problemShown: string | undefined;
  const problem = (text: string | undefined): void => {
    if (problemShown !== text) watch.onProblem(service, text);
    problemShown = text;
  };
  return {
    problem,
    result(result, lost) {
      if ('record' in result) {
        const { record } = result;
        const holder = result.kind === 'standby' ? result.holder : 'this';
        if (holder !== role && !hasEnded(record.progress)) {
          watch.onRole(service, result.kind === 'standby' ? 'standby' : 'leader', holder);
        }
        role = holder;
        if (shown !== record.stamp) watch.onRecord(service, record);
        shown = record.stamp;
      }
      if (result.kind === 'refused') problem(result.reason);
      else if (lost >= LOST_OFTEN) problem('writes do not hold; the token may lack key:read or session:read');
      else if (result.kind !== 'lost') problem(undefined);
    },
  };
}

/** `nowMs`: wall clock. `lost`: writes in a row that did not hold. */
function delayAfter(result: ReconcileResult, nowMs: number, lost: number, isListening: boolean): number {
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
