import type { Timer } from '../../../base/clock';
import type { Runtime } from '../../../base/runtime';
import type { ConsulClient } from '../../../consul/client';
import type { WatchSharing } from '../../../consul/request';
import { Coalescer } from './coalescer';
import { type Follower, openFollower } from './follower';
import { type Holder, openHolder } from './holder';
import { type HostAnswer, type HostAsk, LOST } from './protocol';

type Role =
  | { readonly kind: 'holder'; readonly coalescer: Coalescer; readonly holder: Holder }
  | { readonly kind: 'follower'; readonly follower: Follower }
  | { readonly kind: 'alone' };

export interface GroupDeps extends Runtime {
  /** With the credentials of this group. */
  readonly client: ConsulClient;
}

const ROUNDS = 6;
/** Those that were left by their holder do not all look at once. */
const SPREAD_MS = 150;
/** On a machine that is busy it may take longer to agree: a question is not held up for that. */
const SETTLE_LIMIT_MS = 3_000;
/**
 * So many standings lost in a minute: something is wrong with sharing, and this process looks after itself for a while.
 */
const LOSSES_A_MINUTE = 10;
const ALONE_MS = 60_000;

/**
 * The processes of a host that would get the same answers from Consul, as one of them sees it. One asks for all: the
 * *holder*. Who that is decides the socket: whoever finds nobody behind it moves there.
 */
export class HostGroup {
  readonly #path: string;
  readonly #deps: GroupDeps;
  readonly #losses: number[] = [];
  #settling: Promise<Role> | undefined;
  #role: Role | undefined;
  #sharing: WatchSharing | undefined;
  #back: Timer | undefined;
  #isClosed = false;

  constructor(path: string, deps: GroupDeps) {
    this.#path = path;
    this.#deps = deps;
  }

  /** Undefined before the first question. While another holder is looked for: what it was. */
  get sharing(): WatchSharing | undefined {
    return this.#sharing;
  }

  /** No reader waits, here or behind the socket. */
  get isIdle(): boolean {
    const role = this.#role;
    if (this.#settling !== undefined) return false;
    if (role?.kind === 'holder') return role.coalescer.waiting === 0 && role.holder.asked === 0;
    return role?.kind !== 'follower' || role.follower.waiting === 0;
  }

  /** Undefined: this process must ask for itself. Never rejects. */
  async get(ask: HostAsk, signal: AbortSignal | undefined): Promise<HostAnswer | undefined> {
    while (!this.#isClosed && signal?.aborted !== true) {
      const role = this.#role ?? (await this.#settleSoon());
      if (role.kind === 'alone') return undefined;
      const reader = role.kind === 'holder' ? role.coalescer : role.follower;
      const answer = await reader.get(ask, signal);
      if (answer !== LOST) return answer;
      if (role.kind === 'follower' && role.follower.isGone) this.#lose(role.follower);
      // A question that was not answered although its holder lives is asked by this process itself.
      if (this.#role === role) return undefined;
    }
    return undefined;
  }

  /** Idempotent. Those that followed this process agree on another one. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#back?.cancel();
    leave(this.#role);
    this.#role = undefined;
  }

  #settleSoon(): Promise<Role> {
    return new Promise((resolve) => {
      const late = this.#deps.clock.setTimer(SETTLE_LIMIT_MS, () => resolve({ kind: 'alone' }));
      void this.#settle().then((role) => {
        late.cancel();
        resolve(role);
      });
    });
  }

  #settle(): Promise<Role> {
    this.#settling ??= this.#elect()
      .catch((error): Role => {
        const { logger } = this.#deps;
        logger.warn('watches are not shared with other processes of this host', {
          socket: this.#path,
          reason: String(error),
        });
        return this.#stayAlone();
      })
      .then((role) => {
        this.#settling = undefined;
        if (this.#isClosed) {
          leave(role);
          return { kind: 'alone' };
        }
        this.#take(role);
        if (role.kind !== 'alone') {
          this.#deps.logger.info('watches are shared with other processes of this host', { role: role.kind });
        }
        return role;
      });
    return this.#settling;
  }

  async #elect(): Promise<Role> {
    const { clock, random } = this.#deps;
    if (this.#losses.length > 0) await this.#pause(random() * SPREAD_MS);
    for (let round = 1; round <= ROUNDS && !this.#isClosed; round += 1) {
      const follower = await this.#follow();
      if (follower !== undefined) return follower;
      const coalescer = new Coalescer(this.#deps.client, clock);
      let successor: Role | undefined;
      const holder = await openHolder(
        this.#path,
        async () => {
          successor = await this.#follow();
          return successor !== undefined;
        },
        { coalescer, clock, onReplaced: () => this.#lose(coalescer) },
      ).catch((error) => {
        coalescer.close();
        throw error;
      });
      if (holder !== undefined) return { kind: 'holder', coalescer, holder };
      coalescer.close();
      if (successor !== undefined) return successor;
    }
    return this.#stayAlone();
  }

  async #follow(): Promise<Role | undefined> {
    const follower = await openFollower(this.#path, this.#deps.clock, () => this.#lose(follower));
    return follower === undefined ? undefined : { kind: 'follower', follower };
  }

  /** The process that carried this one's questions is gone; the next holder is asked again. */
  #lose(carrier: Coalescer | Follower | undefined): void {
    const role = this.#role;
    const isCurrent =
      (role?.kind === 'holder' && role.coalescer === carrier) ||
      (role?.kind === 'follower' && role.follower === carrier);
    if (!isCurrent) return;
    const nowMs = this.#deps.clock.now();
    while (this.#losses.length > 0 && (this.#losses[0] as number) < nowMs - 60_000) this.#losses.shift();
    this.#losses.push(nowMs);
    if (this.#losses.length < LOSSES_A_MINUTE) this.#role = undefined;
    else this.#take(this.#stayAlone());
    if (role?.kind === 'holder') role.coalescer.close();
  }

  #take(role: Role): void {
    this.#role = role;
    if (this.#sharing?.role !== role.kind) {
      this.#sharing = { role: role.kind, sinceMs: this.#deps.clock.wallNow() };
    }
  }

  #stayAlone(): Role {
    this.#back?.cancel();
    this.#back = this.#deps.clock.setTimer(ALONE_MS, () => {
      this.#losses.length = 0;
      if (this.#role?.kind === 'alone') this.#role = undefined;
    });
    return { kind: 'alone' };
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.setTimer(milliseconds, resolve));
  }
}

function leave(role: Role | undefined): void {
  if (role?.kind === 'follower') role.follower.close();
  if (role?.kind !== 'holder') return;
  role.holder.close();
  role.coalescer.close();
}
