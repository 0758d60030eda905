import type { Freshness, Instance } from '../source';
import { startBlockingQuery, type Verdict } from './blocking-query';
import { createConnectCheck } from './connect-check';
import type { ConsulDeps, HealthTarget } from './health-target';
import { parseHealth } from './parse-answer';

/** What is known of one service in one datacenter. Immutable; a new object with each change. */
export interface HealthView {
  readonly known: boolean;
  readonly instances: readonly Instance[];
  readonly rejected: number;
  readonly connectOnly: boolean;
  readonly freshness: Freshness;
}

/** The one loop over one service in one datacenter, shared by all who watch it. */
export interface HealthQuery {
  readonly view: HealthView;
  /** `urgent`: it is the first that is heard of this datacenter, good or bad. */
  subscribe(listener: (urgent: boolean) => void): () => void;
  close(): void;
}

/** Nothing heard for so long after the start: others need not wait for this datacenter. */
const FIRST_ANSWER_MS = 1500;

export function startHealthQuery(target: HealthTarget, deps: ConsulDeps): HealthQuery {
  const { clock, logger, agent } = deps;
  const { service, tags, datacenter } = target;
  const listeners = new Set<(urgent: boolean) => void>();
  const fields = { service, datacenter: datacenter ?? 'local' };
  let view: HealthView = {
    known: false,
    instances: [],
    rejected: 0,
    connectOnly: false,
    freshness: { kind: 'pending' },
  };
  let lastSuccessMs = 0;
  let byName = false;

  const update = (next: HealthView, urgent: boolean): void => {
    view = next;
    for (const listener of [...listeners]) listener(urgent);
  };

  const dcParameter = (): string | undefined => {
    if (datacenter === undefined || byName) return datacenter;
    if (agent.name !== undefined) return agent.name === datacenter ? undefined : datacenter;
    return target.local ? undefined : datacenter;
  };

  const connect = createConnectCheck(target, dcParameter, deps, (connectOnly) => {
    if (view.connectOnly !== connectOnly) update({ ...view, connectOnly }, false);
  });

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
      accept: (answer): Verdict => {
        const parsed = parseHealth(
          answer.body.toString('utf8'),
          asked ?? datacenter ?? agent.name ?? 'local',
          view.instances,
        );
        if (parsed.kind !== 'health') return parsed;
        const { instances, rejected } = parsed;
        if (instances.length === 0 && answer.filteredByAcl) {
          return { kind: 'refused', reason: 'empty for want of permission (ACL)' };
        }
        if (asked === undefined && !isOwn(instances)) {
          byName = true;
          return { kind: 'again' };
        }
        silence.cancel();
        lastSuccessMs = clock.now();
        if (view.freshness.kind === 'stale') logger.info('Consul answers again', fields);
        connect.consider(instances.length === 0);
        const changed = !view.known || !parsed.same || rejected !== view.rejected;
        if (changed || view.freshness.kind !== 'fresh') {
          if (rejected > 0) logger.warn('malformed instances are left out', { ...fields, rejected });
          const connectOnly = view.connectOnly && instances.length === 0;
          update({ known: true, instances, rejected, connectOnly, freshness: { kind: 'fresh' } }, !view.known);
        }
        return { kind: changed ? 'changed' : 'unchanged' };
      },
      failed: (reason) => fail(reason),
    },
    deps,
  );

  const fail = (reason: string): void => {
    silence.cancel();
    const { freshness } = view;
    const heard = freshness.kind !== 'fresh' && freshness.reason !== undefined;
    if (heard && freshness.reason === reason) return;
    if (!heard) logger.warn('Consul does not answer; what is known stays in force', { ...fields, reason });
    const next: Freshness = view.known
      ? { kind: 'stale', sinceMs: lastSuccessMs, reason }
      : { kind: 'pending', reason };
    update({ ...view, freshness: next }, !view.known && !heard);
  };

  const silence = clock.setTimer(FIRST_ANSWER_MS, () => {
    if (!view.known && view.freshness.kind === 'pending') fail(`no answer within ${FIRST_ANSWER_MS} ms`);
  });

  return {
    get view() {
      return view;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      silence.cancel();
      connect.close();
      query.close();
      listeners.clear();
    },
  };
}
