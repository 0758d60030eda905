import type { Random } from '../base/random';

export interface ConsulRequest {
  /** Under `/v1`, with `{name}` where a parameter goes. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Of a `put`. */
  readonly body?: string;
  /** From asking to the last byte. */
  readonly timeLimitMs: number;
  /** Aborting ends the request and its connection. */
  readonly signal?: AbortSignal;
  /** The answer may come compressed: fewer bytes for some milliseconds of the agent's time. Default false. */
  readonly isCompressed?: boolean;
  /** Only where the client {@link ConsulClient.takesPauses}: milliseconds until it is to be asked. Default 0. */
  readonly afterMs?: number;
}

export type ConsulAnswer =
  | {
      readonly kind: 'answer';
      /** 200..299, 404 with an index (Consul's way to say that a key is absent), or 409 of a transaction. */
      readonly status: number;
      /** Undefined when missing, malformed or 0: no blocking query may use such a one. */
      readonly index: bigint | undefined;
      /** Consul left something out for want of permission. */
      readonly filteredByAcl: boolean;
      /** What the agent's clock showed, epoch milliseconds, to the second; undefined when it does not say. */
      readonly dateMs: number | undefined;
      readonly body: Buffer;
    }
  | { readonly kind: 'failure'; readonly status: number | undefined; readonly reason: string };

/** A read without an index answers at once, or something is wrong. */
export const PLAIN_TIME_LIMIT_MS = 10_000;

/** Blocking reads wait between this share of the time given and all of it. */
export const LEAST_OF_WAIT = 0.9;

/** The `wait` of a blocking read: different for each, so that readers do not come in step. */
export function spreadWaitMs(limitMs: number, random: Random): number {
  return Math.round(limitMs * (LEAST_OF_WAIT + (1 - LEAST_OF_WAIT) * random()));
}

/** How long a read waits for a change, in milliseconds; 0: it does not. */
export function waitMsOf({ query }: Pick<ConsulRequest, 'query'>): number {
  const wait = query?.['wait'];
  return typeof wait === 'string' ? Number.parseInt(wait, 10) : 0;
}

/** What one agent made of a request. */
export interface Asked {
  readonly answer: ConsulAnswer;
  /**
   * `agent`: another one may do better. `late`: the time was over. `none`: an answer, or nothing that an agent can
   * help.
   */
  readonly fault: 'none' | 'agent' | 'late';
}

export interface AskOptions {
  readonly timeLimitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called at the first byte of the answer. */
  readonly onAnswering?: () => void;
}

/** How this process shares its watches with the other processes of its host. */
export interface WatchSharing {
  /**
   * `holder`: it asks Consul for all of them. `follower`: another process asks, and this one makes hardly any request.
   * `alone`: sharing does not work at present, and it asks for itself; the log says why.
   */
  readonly role: 'holder' | 'follower' | 'alone';
  /** Since when, epoch milliseconds. */
  readonly sinceMs: number;
}

/** What one Consul agent has to do for one Graylane client, and whether it is well, for `graylane.inspect()`. */
export interface AgentLoad {
  /** As given: `http://127.0.0.1:8500`, `unix:///run/consul.sock`. */
  readonly address: string;
  /** Requests under way; each holds a connection. */
  readonly openRequests: number;
  /** The most that were under way at once. */
  readonly mostOpenRequests: number;
  /** Requests since the Graylane client was opened, those under way included. */
  readonly requests: number;
  /** Those of them that the agent did not answer, or answered with 429 or a server error. */
  readonly failures: number;
  /** New requests go to this one. */
  readonly serves: boolean;
  /** Milliseconds since it was left for another one, or first failed; undefined: nothing speaks against it. */
  readonly illForMs: number | undefined;
  /** Of its last failure; undefined while nothing speaks against it. */
  readonly reason: string | undefined;
  /** Undefined: nothing is shared (no state directory, or `shareWatches: false`), or nothing was asked yet. */
  readonly sharing: WatchSharing | undefined;
}
