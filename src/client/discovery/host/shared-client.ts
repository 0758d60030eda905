import type { Timer } from '../../../base/clock';
import { safeLogger, silentLogger } from '../../../base/logger';
import type { Runtime } from '../../../base/runtime';
import { type ConsulClient, createConsulClient } from '../../../consul/client';
import { findPlace, socketName } from '../../../consul/host-place';
import type { ParsedConsulOptions } from '../../../consul/options';
import {
  type AgentLoad,
  type ConsulAnswer,
  type ConsulRequest,
  LEAST_OF_WAIT,
  type WatchSharing,
} from '../../../consul/request';
import { createTokenSource } from '../../../consul/token';
import { HostGroup } from './group';
import { LOST, toAsk } from './protocol';

export interface SharedClientDeps extends Runtime {
  /** Of this package: another one meets elsewhere. */
  readonly version: string;
}

/** One set of credentials: its processes, and the client that asks for them while this one is their holder. */
interface Member {
  readonly group: HostGroup;
  readonly client: ConsulClient;
}

const SWEEP_MS = 30_000;
/** So many tokens at once are no rotation. */
const GROUPS = 4;

/**
 * A Consul client whose reads are shared with the other processes of the host that use the same `stateDirectory`,
 * addresses, token and trust: one of them asks, the others get its answers as Consul gave them. Writes are each
 * process' own, and so is everything as long as sharing does not work.
 */
export class SharedClient implements ConsulClient {
  readonly options: ParsedConsulOptions;
  readonly takesPauses = true;
  readonly #own: ConsulClient;
  readonly #directory: string;
  readonly #deps: SharedClientDeps;
  readonly #tokens: ReturnType<typeof createTokenSource>;
  readonly #members = new Map<string, Promise<Member | undefined>>();
  readonly #open = new Set<Member>();
  readonly #sweep: Timer;
  /** Idle when it was last looked. */
  #idle: ReadonlySet<Member> = new Set();
  /** Where the directory does not do for sharing. */
  #refused: WatchSharing | undefined;
  #isClosed = false;

  constructor(options: ParsedConsulOptions, stateDirectory: string, deps: SharedClientDeps) {
    this.options = options;
    this.#own = createConsulClient(options, deps);
    this.#directory = stateDirectory;
    this.#deps = { ...deps, logger: safeLogger(deps.logger) };
    // Both readers of a token file say what is wrong with it; once is enough.
    this.#tokens = createTokenSource(options.token, { clock: deps.clock, logger: silentLogger });
    this.#sweep = deps.clock.setRepeating(SWEEP_MS, () => void this.#closeIdle());
  }

  get load(): readonly AgentLoad[] {
    const members = [...this.#open];
    const own = this.#own.load;
    const loads = [own, ...members.map(({ client }) => client.load)];
    // Whichever asks at present knows how the agents are.
    const last = members.at(-1);
    const asking = last?.group.sharing?.role === 'holder' ? last.client.load : own;
    return own.map((load, at) => {
      const sum = (field: 'requests' | 'failures' | 'openRequests' | 'mostOpenRequests'): number =>
        loads.reduce((total, each) => total + (each[at]?.[field] ?? 0), 0);
      return {
        ...(asking[at] ?? load),
        requests: sum('requests'),
        failures: sum('failures'),
        openRequests: sum('openRequests'),
        mostOpenRequests: sum('mostOpenRequests'),
        sharing: last?.group.sharing ?? this.#refused,
      };
    });
  }

  async get(request: ConsulRequest): Promise<ConsulAnswer> {
    if (request.body !== undefined || this.#refused !== undefined || this.#isClosed) return this.#alone(request);
    const reading = await this.#tokens.read();
    const member = reading.kind === 'token' ? await this.#member(reading.token) : undefined;
    if (member === undefined) return this.#alone(request);
    const ask = toAsk(request, this.options.waitMs * LEAST_OF_WAIT);
    const answer = await member.group.get(ask, request.signal);
    return answer === undefined || answer === LOST ? this.#alone(request) : answer;
  }

  put(request: ConsulRequest & { readonly body: string }): Promise<ConsulAnswer> {
    return this.#own.put(request);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sweep.cancel();
    for (const { group, client } of this.#open) {
      group.close();
      client.close();
    }
    this.#open.clear();
    this.#own.close();
  }

  async #alone(request: ConsulRequest): Promise<ConsulAnswer> {
    const { afterMs = 0, signal } = request;
    if (afterMs > 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        const timer = this.#deps.clock.setTimer(afterMs, resolve);
        const stop = (): void => {
          timer.cancel();
          resolve();
        };
        signal?.addEventListener('abort', stop, { once: true });
      });
    }
    return this.#own.get(request);
  }

  #member(token: string): Promise<Member | undefined> {
    const name = socketName(this.options, token, this.#deps.version);
    let member = this.#members.get(name);
    if (member === undefined) {
      if (this.#members.size >= GROUPS) return Promise.resolve(undefined);
      member = this.#join(name, token);
      this.#members.set(name, member);
    }
    return member;
  }

  async #join(name: string, token: string): Promise<Member | undefined> {
    const place = await findPlace(this.#directory, name);
    const { logger } = this.#deps;
    if (place.kind === 'refused') {
      if (this.#refused === undefined) {
        logger.warn('watches are not shared with other processes of this host', { reason: place.reason });
      }
      this.#refused ??= { role: 'alone', sinceMs: this.#deps.clock.wallNow() };
      return undefined;
    }
    if (this.#isClosed) return undefined;
    // Asks with the very token that the socket stands for, whatever the option says by then.
    const fixed: ParsedConsulOptions = {
      ...this.options,
      token: token === '' ? undefined : { kind: 'function', get: () => token },
    };
    const client = createConsulClient(fixed, this.#deps);
    const member = { client, group: new HostGroup(place.path, { ...this.#deps, client }) };
    this.#open.add(member);
    return member;
  }

  /** Of tokens that are not used any more. */
  async #closeIdle(): Promise<void> {
    const idle = new Set<Member>();
    for (const [name, joining] of [...this.#members]) {
      const member = await joining;
      if (member === undefined || !member.group.isIdle || this.#isClosed) continue;
      idle.add(member);
      if (!this.#idle.has(member)) continue;
      this.#members.delete(name);
      this.#open.delete(member);
      member.group.close();
      member.client.close();
    }
    this.#idle = idle;
  }
}
