import type { Timer } from '../../../base/clock';
import { Emitter, type Subscription } from '../../../base/emitter';
import type { DatacenterState, Freshness, Instance } from '../../../base/instances';
import { nearest } from '../../../base/spelling';
import { createAnswerReader } from '../../../consul/answer-reader';
import { startBlockingQuery, type Verdict } from '../../../consul/blocking-query';
import type { ParsedHealth } from '../../../consul/health-answer';
import type { ConsulAnswer } from '../../../consul/request';
import { LossGuard, NO_PROTECTION } from '../protection';
import { AbsenceChecks } from './absence-checks';
import { answerRules, type ConsulDeps, type HealthTarget, placeOf } from './health-target';
import { AnswerNotes, describeTrouble, FORBIDDEN, kindOf, NO_PATH, PEER_FORBIDDEN } from './trouble-log';

/** What the query itself knows of a datacenter. Immutable; a new object with each change. */
type Known = Omit<DatacenterState, 'datacenter' | 'local' | 'filters' | 'filterFailures'>;
export type HealthView = Known & Required<Omit<Known, 'similar'>>;

/** The one query loop of one service in one datacenter, shared by all watches of it. */
export interface HealthQuery {
  readonly view: HealthView;
  /** `urgent`: this is the first news of this datacenter, good or bad. */
  subscribe(listener: (urgent: boolean) => void): Subscription;
  close(): void;
}

/** Nothing heard for so long after the start: others need not wait for this datacenter. */
const FIRST_ANSWER_MS = 1500;
/** An answer that is empty for want of permission is looked at again after this: a grant wakes no query. */
const FORBIDDEN_RECHECK_MS = 15_000;
/**
 * The index of a server that holds nothing. One that begins again answers so, as leader, until it has read its log: it
 * says nothing of who is there. A server that still holds nothing after this long is a new one.
 */
const NO_STATE_INDEX = 1n;
const NO_STATE_MS = 3_000;
const NO_STATE = 'the Consul server has no state yet (index 1)';

type Parsed = Extract<ParsedHealth, { readonly kind: 'health' }>;
type Answer = ConsulAnswer & { readonly kind: 'answer' };

export function startHealthQuery(target: HealthTarget, deps: ConsulDeps): HealthQuery {
  const { clock, logger, agent, outages } = deps;
  const { service, tags, datacenter } = target;
  const changes = new Emitter<boolean>();
  const fields = { service, datacenter: placeOf(target) };
  const protection = deps.protection.except.includes(service) ? NO_PROTECTION : deps.protection;
  const reader = createAnswerReader(answerRules(target));
  const guard = new LossGuard(protection);
  const notes = new AnswerNotes(logger, fields);
  const abort = new AbortController();
  let view: HealthView = {
    known: false,
    instances: [],
    absent: [],
    isHeld: false,
    rejected: 0,
    duplicates: 0,
    doubles: [],
    isPartial: false,
    faults: [],
    connectOnly: false,
    freshness: { kind: 'pending' },
  };
  let lastSuccessMs = 0;
  let noStateSinceMs: number | undefined;
  let byName = false;
  let expiry: Timer | undefined;

  const update = (next: HealthView, urgent: boolean): void => {
    view = next;
    changes.emit(urgent);
  };

  const dcParameter = (): string | undefined => {
    if (datacenter === undefined || byName) return datacenter;
    if (agent.name !== undefined) return agent.name === datacenter ? undefined : datacenter;
    return target.local ? undefined : datacenter;
  };

  const absence = new AbsenceChecks(target, deps, ({ datacenters, similar, connectOnly }) => {
    known = datacenters ?? known;
    if (similar !== undefined && view.instances.length === 0) update({ ...view, similar }, false);
    if (connectOnly !== undefined && connectOnly !== view.connectOnly) update({ ...view, connectOnly }, false);
  });
  /** Datacenters that Consul knows, once that was asked. */
  let known: readonly string[] | undefined;

  /** Whether an answer to a question without `dc` is of the datacenter that was meant. */
  const isOwn = (instances: readonly Instance[]): boolean => {
    // A peer's instances bear the names of its own datacenters.
    if (target.scope?.['peer'] !== undefined) return true;
    const found = instances[0]?.datacenter;
    if (found !== undefined) agent.learn(found);
    if (datacenter === undefined || found === datacenter) return true;
    // An empty answer does not tell where it comes from.
    if (found !== undefined) {
      logger.info('the first listed datacenter is not the one of the Consul agent; asking for it by name', {
        ...fields,
        agentDatacenter: found,
      });
    }
    return agent.name === datacenter;
  };

  let asked: string | undefined;

  const accept = (answer: Answer): Verdict | Promise<Verdict> => {
    const place = placeOf({ ...target, datacenter: asked ?? datacenter }, agent.name);
    const parsed = reader.read(answer.body, place, view.instances);
    if (!(parsed instanceof Promise)) return consider(answer, parsed);
    return parsed.then((later) => (abort.signal.aborted ? { kind: 'unchanged' } : consider(answer, later)));
  };

  const consider = (answer: Answer, parsed: ParsedHealth): Verdict | Promise<Verdict> => {
    if (parsed.kind !== 'health') return parsed;
    const isEmpty = parsed.instances.length === 0;
    if (isEmpty && answer.filteredByAcl) return forbidden();
    if (isEmpty && isWithoutState(answer)) {
      fail(NO_STATE);
      return { kind: 'doubted', againInMs: NO_STATE_MS };
    }
    if (asked === undefined && !isOwn(parsed.instances)) {
      byName = true;
      return { kind: 'again' };
    }
    // Only where it matters: nothing is known yet, or what is known would be given up.
    if (!isEmpty || (view.known && view.instances.length === 0)) return judge(parsed, answer.filteredByAcl);
    return absence.isForbidden(asked).then((isBlind) => {
      if (abort.signal.aborted) return { kind: 'unchanged' };
      return isBlind ? forbidden() : judge(parsed, false);
    });
  };

  /** What is known already is guarded in another way. */
  const isWithoutState = ({ index }: Answer): boolean => {
    if (view.known || index !== NO_STATE_INDEX) return false;
    noStateSinceMs ??= clock.now();
    return clock.now() - noStateSinceMs < NO_STATE_MS;
  };

  const forbidden = (): Verdict => {
    fail(target.scope?.['peer'] === undefined ? FORBIDDEN : PEER_FORBIDDEN);
    return { kind: 'doubted', againInMs: FORBIDDEN_RECHECK_MS };
  };

  const judge = (parsed: Parsed, isPartial: boolean): Verdict => {
    const judgement = guard.judge(view.instances, parsed.instances, clock.now(), isPartial);
    if (judgement.kind === 'pending') {
      keepKnown();
      return { kind: 'doubted', againInMs: judgement.againInMs };
    }
    if (judgement.isConfirmed) logger.warn('no instance is listed any more, and that is confirmed', fields);
    if (judgement.massLoss !== undefined) {
      logger.error('many instances vanished at once; those that still answer are kept as a last resort', {
        ...fields,
        vanished: judgement.massLoss,
        left: parsed.instances.length,
      });
    }
    return believe(parsed, isPartial);
  };

  const keepKnown = (): void => {
    const { confirmations, windowMs } = protection;
    const count = view.instances.length;
    if (!view.isHeld) {
      logger.error('Consul suddenly lists no instance; the known ones stay until that is confirmed', {
        ...fields,
        known: count,
      });
    }
    silence.cancel();
    const reason = `Consul lists 0 instances; the ${count} known ones are kept until ${confirmations} reads over ${windowMs} ms agree`;
    if (view.isHeld && view.freshness.kind === 'stale' && view.freshness.reason === reason) return;
    update({ ...view, isHeld: true, freshness: { kind: 'stale', sinceMs: lastSuccessMs, reason } }, false);
  };

  const believe = ({ instances, rejected, duplicates, doubles, faults, same }: Parsed, isPartial: boolean): Verdict => {
    silence.cancel();
    lastSuccessMs = clock.now();
    logged.clear();
    const isOver = outages.end(logged);
    if (view.isHeld && instances.length > 0) logger.info('Consul lists instances again', fields);
    else if (isOver && view.known) logger.info('Consul answers again', fields);
    absence.answered(instances.length === 0, dcParameter());
    if (instances.length === 0 && target.local && target.scope?.['peer'] === undefined) void absence.askName(asked);
    const absent = guard.absent(clock.now());
    const isSame = same && rejected === view.rejected && isPartial === view.isPartial;
    const isChanged = !view.known || !isSame || absent !== view.absent;
    if (isChanged || view.freshness.kind !== 'fresh') {
      tellMalformed(rejected - duplicates, faults);
      notes.tell({ instances, duplicates, doubles, isPartial });
      const isEmpty = instances.length === 0;
      const similar = isEmpty && view.similar !== undefined ? { similar: view.similar } : {};
      const leftOut = { rejected, duplicates, doubles, faults, isPartial };
      const next = { instances, absent, ...leftOut, connectOnly: view.connectOnly && isEmpty, ...similar };
      update({ ...next, known: true, isHeld: false, freshness: { kind: 'fresh' } }, !view.known);
    }
    watchAbsent();
    return { kind: isChanged ? 'changed' : 'unchanged' };
  };

  /** Once for each number of them, not for each change of something else. */
  const tellMalformed = (count: number, faults: readonly string[]): void => {
    if (count > 0 && count !== malformed) {
      const why = faults.length === 0 ? {} : { faults: faults.join('; ') };
      logger.warn('malformed instances are left out', { ...fields, rejected: count, ...why });
    }
    malformed = count;
  };
  let malformed = 0;

  const watchAbsent = (): void => {
    expiry?.cancel();
    const dueMs = guard.nextExpiryMs;
    if (dueMs === undefined) return;
    expiry = clock.setTimer(dueMs - clock.now(), () => {
      const absent = guard.absent(clock.now());
      if (absent !== view.absent) update({ ...view, absent }, false);
      watchAbsent();
    });
  };

  /** Kinds of trouble logged in this outage; also the identity of this query in `outages`. */
  const logged = new Set<string>();

  /** Consul says only that it has no path: which datacenters it knows is asked before that is logged. */
  const failed = (reason: string): void => {
    if (!NO_PATH.test(reason)) {
      fail(reason);
      return;
    }
    const name = asked ?? datacenter ?? 'of the agent';
    void absence.askDatacenters().finally(() => {
      if (abort.signal.aborted) return;
      const meant = known === undefined ? undefined : nearest(name, known);
      const hint = meant === undefined || meant === name ? '' : `; did you mean ${meant}?`;
      fail(`no path to datacenter ${name}${known === undefined ? '' : `; known: ${known.join(', ')}`}${hint}`);
    });
  };

  const fail = (reason: string): void => {
    silence.cancel();
    guard.interrupt();
    const { freshness } = view;
    const hasReason = freshness.kind !== 'fresh' && freshness.reason !== undefined;
    if (hasReason && freshness.reason === reason) return;
    const kind = kindOf(reason, service, fields.datacenter);
    if (!logged.has(kind)) {
      logged.add(kind);
      if (outages.begin(logged, kind)) logger.warn(describeTrouble(reason), { ...fields, reason });
    }
    const next: Freshness = view.known
      ? { kind: 'stale', sinceMs: lastSuccessMs, reason }
      : { kind: 'pending', reason };
    update({ ...view, freshness: next }, !view.known && !hasReason);
  };

  const silence = clock.setTimer(FIRST_ANSWER_MS, () => {
    if (!view.known && view.freshness.kind === 'pending') fail(`no answer within ${FIRST_ANSWER_MS} ms`);
  });

  const query = startBlockingQuery(
    {
      request: () => {
        asked = dcParameter();
        return {
          path: '/health/service/{service}',
          params: { service },
          query: {
            ...target.scope,
            ...(asked === undefined ? {} : { dc: asked }),
            ...(tags.length === 0 ? {} : { tag: tags }),
          },
        };
      },
      accept,
      onFailure: failed,
    },
    deps,
  );

  return {
    get view() {
      return view;
    },
    subscribe: (listener) => changes.subscribe(listener),
    close() {
      abort.abort();
      silence.cancel();
      expiry?.cancel();
      absence.close();
      outages.end(logged);
      query.close();
      changes.clear();
    },
  };
}
