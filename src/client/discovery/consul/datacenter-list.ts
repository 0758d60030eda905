import type { Timer } from '../../../base/clock';
import { Emitter, type Subscription, subscription } from '../../../base/emitter';
import { backoffMs } from '../../../base/pacing';
import { sameItems } from '../../../base/same-items';
import { parseJsonArray } from '../../../consul/health-answer';
import { PLAIN_TIME_LIMIT_MS } from '../../../consul/request';
import type { ConsulDeps } from './health-target';

/** Which datacenters a watch covers. Undefined stands for the agent's own, whatever its name. */
export interface DatacenterList {
  readonly names: readonly (string | undefined)[];
  /** `listener` runs when `names` changed. Returns how to end it. */
  subscribe(listener: () => void): Subscription;
  close(): void;
}

const POLL_MS = 60_000;
/** A server that has just restarted does not see the others yet. */
const MISSES_BEFORE_DROPPED = 3;

export function fixedDatacenters(names: readonly (string | undefined)[]): DatacenterList {
  return { names, subscribe: () => subscription(() => {}), close() {} };
}

/**
 * Every datacenter that the agent's servers know, asked for once a minute: the agent's own first, then as Consul orders
 * them (nearest first) when they are first seen. One that left is dropped after three minutes. As long as the agent's
 * own name cannot be learned (no permission to ask, no instance there) its datacenter is covered twice, without and by
 * name.
 */
export function watchAllDatacenters(deps: ConsulDeps): DatacenterList {
  const { client, clock, random, logger, agent } = deps;
  const changes = new Emitter();
  const abort = new AbortController();
  /** Name to how many polls in a row missed it, in the order of appearance. */
  const seen = new Map<string, number>();
  let names: readonly (string | undefined)[] = [undefined];
  let failures = 0;
  let timer: Timer | undefined;

  const publish = (): void => {
    const others = [...seen.keys()].filter((name) => name !== agent.name);
    const next = [undefined, ...others];
    if (sameItems(next, names)) return;
    names = next;
    changes.emit();
  };

  const poll = async (): Promise<void> => {
    const answer = await client.get({
      path: '/catalog/datacenters',
      timeLimitMs: PLAIN_TIME_LIMIT_MS,
      signal: abort.signal,
    });
    const list = answer.kind === 'answer' ? parseJsonArray(answer.body.toString('utf8')) : answer.reason;
    if (typeof list !== 'string' && agent.name === undefined) await agent.probe();
    if (abort.signal.aborted) return;
    if (typeof list === 'string') {
      failures += 1;
      if (failures === 1) logger.warn('the list of datacenters could not be read', { reason: list });
      timer = clock.setTimer(backoffMs(failures, random), () => void poll());
      return;
    }
    failures = 0;
    take(list.filter((name) => typeof name === 'string' && name !== '').map(String));
    timer = clock.setTimer(POLL_MS * (0.9 + 0.2 * random()), () => void poll());
  };

  const take = (list: readonly string[]): void => {
    for (const [name, misses] of seen) {
      if (list.includes(name)) continue;
      if (misses + 1 >= MISSES_BEFORE_DROPPED) seen.delete(name);
      else seen.set(name, misses + 1);
    }
    for (const name of list) seen.set(name, 0);
    publish();
  };

  const forget = agent.subscribe(publish);
  void poll();
  return {
    get names() {
      return names;
    },
    subscribe: (listener) => changes.subscribe(listener),
    close() {
      abort.abort();
      timer?.cancel();
      forget();
      changes.clear();
    },
  };
}
