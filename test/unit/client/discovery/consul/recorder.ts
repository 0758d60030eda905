import { expect } from 'vitest';
import { type Clock, systemClock } from '../../../../../src/base/clock';
import type { DatacenterState, SourceState } from '../../../../../src/base/instances';
import type { Logger } from '../../../../../src/base/logger';
import { seededRandom } from '../../../../../src/base/random';
import { createConsulSource } from '../../../../../src/client/discovery/consul/source';
import type { Source, SourceWatch, WatchRequest } from '../../../../../src/client/discovery/source';
import { type ConsulClient, createConsulClient } from '../../../../../src/consul/client';
import { type ConsulOptions, parseConsulOptions } from '../../../../../src/consul/options';

/** Every line that was logged, so that a test can look for what must, or must not, be in it. */
export function recordingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (message: string, fields?: object): void =>
    void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  return { lines, debug: write, info: write, warn: write, error: write };
}

export interface Bench {
  readonly client: ConsulClient;
  readonly source: Source;
  readonly logger: Logger & { readonly lines: string[] };
  close(): void;
}

export function openSource(
  options: ConsulOptions,
  datacenters?: readonly string[] | 'all',
  clock: Clock = systemClock,
): Bench {
  const logger = recordingLogger();
  const client = createConsulClient(parseConsulOptions(options, {}), { clock, random: seededRandom(5), logger });
  const source = createConsulSource(
    { client, ...(datacenters === undefined ? {} : { datacenters }) },
    { clock, random: seededRandom(7), logger },
  );
  return {
    client,
    source,
    logger,
    close() {
      source.close();
      client.close();
    },
  };
}

/** A watch that remembers, and waits for a state that is wanted. */
export interface Recorder {
  readonly states: readonly SourceState[];
  readonly watch: SourceWatch;
  last(): SourceState;
  dc(name: string): DatacenterState;
  /** The first state, from the latest on, that `wanted` accepts. Fails after `limitMs` with the latest one. */
  until(wanted: (state: SourceState) => boolean, limitMs?: number): Promise<SourceState>;
}

export function record(source: Source, service: string, more: Partial<Omit<WatchRequest, 'service'>> = {}): Recorder {
  const states: SourceState[] = [];
  const waiting = new Set<() => void>();
  const watch = source.watch({ service, tags: [], ...more }, (state) => {
    states.push(state);
    for (const check of [...waiting]) check();
  });
  const last = (): SourceState => {
    const state = states.at(-1);
    if (state === undefined) throw new Error('no state yet');
    return state;
  };
  return {
    states,
    watch,
    last,
    dc(name) {
      const found = last().datacenters.find((one) => one.datacenter === name);
      if (found === undefined) expect.fail(`no datacenter ${name} in ${JSON.stringify(last())}`);
      return found;
    },
    until: (wanted, limitMs = 5000) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const state = states.at(-1);
          if (state === undefined || !wanted(state)) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve(state);
        };
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`not within ${limitMs} ms; the latest state is ${JSON.stringify(states.at(-1))}`));
        }, limitMs);
        waiting.add(check);
        check();
      }),
  };
}

/** IDs and statuses of one datacenter, for short assertions. */
export function ids(state: SourceState, datacenter: string): readonly string[] {
  const found = state.datacenters.find((one) => one.datacenter === datacenter);
  return (found?.instances ?? []).map((one) => (one.status === 'passing' ? one.id : `${one.id} ${one.status}`));
}
