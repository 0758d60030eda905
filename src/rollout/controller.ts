import { type DriveDeps, type Driven, driveOnce } from './drive';
import type { Lease } from './lease';
import { hasEnded, type RolloutRecord } from './record';

/** What a controller says to whoever runs it. Each is called when something changed, never for every look. */
export interface ControllerWatch {
  /** A record as it was last read, of a rollout that is under way or has just ended. */
  onRecord(service: string, record: RolloutRecord): void;
  /** This controller drives the rollout now, or another one does. */
  onRole(service: string, role: 'leader' | 'standby', holder: string): void;
  /** Nothing moves until this is over; undefined: it is. */
  onProblem(service: string, problem: string | undefined): void;
}

export interface ControllerOptions {
  readonly deps: DriveDeps;
  readonly lease: Lease;
  readonly watch: ControllerWatch;
  /** Ends the controller; what is being written is written to its end. */
  readonly signal: AbortSignal;
}

/** Between two looks: a controller hears within this time of what people ask for. */
const LOOK_MS = 1000;
/** The same where there is no rollout under way. */
const REST_MS = 5000;
const LOST_MS = 50;
/** So many writes in a row that do not hold are no race any more. */
const LOST_OFTEN = 10;

/** Drives every rollout that there is, or comes to be, until `signal` aborts. Never rejects. */
export async function driveAll({ deps, lease, watch, signal }: ControllerOptions): Promise<void> {
  const loops = new Map<string, Promise<unknown>>();
  let problem: string | undefined;
  while (!signal.aborted) {
    let failure: string | undefined;
    try {
      for (const service of await deps.rollouts.services()) {
        if (!loops.has(service)) loops.set(service, driveService(service, { deps, lease, watch, signal }, false));
      }
    } catch (error) {
      failure = textOf(error);
    }
    if (failure !== problem) watch.onProblem('*', failure);
    problem = failure;
    await sleep(LOOK_MS, signal);
  }
  await Promise.all(loops.values());
}

/**
 * Drives one rollout, or watches another controller do it, until `signal` aborts or, with `untilEnded`, the rollout has
 * ended; resolves to its last record, undefined when there was none. Never rejects.
 */
export async function driveService(
  service: string,
  { deps, lease, watch, signal }: ControllerOptions,
  untilEnded: boolean,
): Promise<RolloutRecord | undefined> {
  let shown: string | undefined;
  let role: string | undefined;
  let problem: string | undefined;
  let lost = 0;
  const show = (record: RolloutRecord): void => {
    if (shown !== record.stamp) watch.onRecord(service, record);
    shown = record.stamp;
  };
  const tell = (text: string | undefined): void => {
    if (problem !== text) watch.onProblem(service, text);
    problem = text;
  };
  while (!signal.aborted) {
    const { session } = lease;
    if (session === undefined) {
      await lease.tried;
      if (lease.session === undefined) tell(lease.problem);
      await sleep(LOST_MS, signal);
      continue;
    }
    let driven: Driven;
    try {
      driven = await driveOnce(service, session, deps);
    } catch (error) {
      tell(textOf(error));
      await sleep(LOOK_MS, signal);
      continue;
    }
    lost = driven.kind === 'lost' ? lost + 1 : 0;
    if ('record' in driven) {
      const next = driven.kind === 'standby' ? driven.holder : 'this';
      if (next !== role && !hasEnded(driven.record.progress)) {
        watch.onRole(service, driven.kind === 'standby' ? 'standby' : 'leader', next);
      }
      role = next;
      show(driven.record);
    }
    if (driven.kind === 'refused') tell(driven.reason);
    else if (lost >= LOST_OFTEN) tell('writes do not hold; the token may lack key:read or session:read');
    else if (driven.kind !== 'lost') tell(undefined);
    if (untilEnded && driven.kind === 'ended') return driven.record;
    if (untilEnded && driven.kind === 'none') return undefined;
    await sleep(delayAfter(driven, deps.now(), lost), signal);
  }
  return undefined;
}

function delayAfter(driven: Driven, nowMs: number, lost: number): number {
  switch (driven.kind) {
    case 'acted':
      return 0;
    case 'lost':
      return Math.min(LOST_MS * lost, LOOK_MS);
    case 'idle':
      return Math.max(0, Math.min(LOOK_MS, (driven.wakeMs ?? Number.POSITIVE_INFINITY) - nowMs));
    case 'standby':
    case 'refused':
      return LOOK_MS;
    case 'ended':
    case 'none':
      return REST_MS;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || milliseconds <= 0) return void setImmediate(resolve);
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
