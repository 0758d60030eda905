import type { Clock, Timer } from '../base/clock';
import type { Logger } from '../base/logger';
import { backoffMs, createTokenBucket } from '../base/pacing';
import type { Random } from '../base/random';
import type { ConsulClient } from './client';
import { type ConsulAnswer, type ConsulRequest, LEAST_OF_WAIT, PLAIN_TIME_LIMIT_MS, spreadWaitMs } from './request';

/**
 * One loop of blocking reads: asks, hands the answer over, asks again for what comes after it. Never ends by itself.
 */
export interface BlockingQuery {
  /** Idempotent; ends the request under way and its connection. Nothing of the spec is called afterwards. */
  close(): void;
}

export interface BlockingQuerySpec {
  /** Called before each request. The loop adds index, wait and consistency. */
  request(): Pick<ConsulRequest, 'path' | 'params' | 'query'>;
  /** Judges an answer and takes over what is new in it. The next request waits for a verdict that takes time. */
  accept(answer: ConsulAnswer & { readonly kind: 'answer' }): Verdict | Promise<Verdict>;
  /** Nothing usable came. Called for each failure and for each answer that was refused. */
  onFailure(reason: string): void;
}

export type Verdict =
  | { readonly kind: 'changed' }
  | { readonly kind: 'unchanged' }
  /** Well formed, but not believed: wait for the next change all the same. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Not believed yet: look again at the next change, or after `againInMs` if nothing changes. */
  | { readonly kind: 'doubted'; readonly againInMs: number }
  /** Not an answer of Consul: treated as no answer. */
  | { readonly kind: 'garbage'; readonly reason: string }
  /** The next `request()` asks something else: from the beginning, at once. */
  | { readonly kind: 'again' };

export interface BlockingQueryDeps {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
}

const INDEXLESS_POLL_MS = 1000;
/** From so large an answer on, fewer bytes are worth the time that the agent takes to compress it. */
const COMPRESS_FROM_BYTES = 32 * 1024;
/**
 * Answers with another index and nothing else new (a check's output, say), before the next are asked for compressed.
 */
const NOISE_FROM = 3;
const NOISE_LIMIT = 8;
/** However fast a service changes, and whatever a server answers. */
const READ_BURST = 4;
const READS_PER_SECOND = 5;
/** Of answers with nothing new, which cost little: sooner is read what is new among them. */
const NOISY_READS_PER_SECOND = 7;

/** Starts at once. https://developer.hashicorp.com/consul/api-docs/features/blocking */
export function startBlockingQuery(spec: BlockingQuerySpec, deps: BlockingQueryDeps): BlockingQuery {
  const { client, clock, random } = deps;
  const { waitMs, consistency } = client.options;
  const abort = new AbortController();
  const pace = createTokenBucket(clock, READ_BURST, READS_PER_SECOND);
  const noisyPace = createTokenBucket(clock, 1, NOISY_READS_PER_SECOND);
  let index: bigint | undefined;
  let failures = 0;
  let indexless = 0;
  let timer: Timer | undefined;
  /** The longest that the next request may wait for a change. */
  let waitLimitMs = waitMs;
  let noise = 0;
  let lastBytes = 0;

  /** `afterMs`: a pause that the client keeps, for all readers of the same question. */
  const ask = (afterMs = 0): void => {
    timer = undefined;
    const { query, ...rest } = spec.request();
    const wait = spreadWaitMs(Math.min(waitMs, waitLimitMs), random);
    const blocking = index === undefined ? {} : { index: String(index), wait: `${wait}ms` };
    client
      .get({
        ...rest,
        query: { ...query, ...(consistency === 'default' ? {} : { [consistency]: '1' }), ...blocking },
        // Consul itself adds up to a sixteenth to the wait.
        timeLimitMs: index === undefined ? PLAIN_TIME_LIMIT_MS : Math.ceil((wait * 17) / 16 + PLAIN_TIME_LIMIT_MS),
        signal: abort.signal,
        ...(noise >= NOISE_FROM && lastBytes >= COMPRESS_FROM_BYTES ? { isCompressed: true } : {}),
        ...(afterMs > 0 ? { afterMs } : {}),
      })
      .then(async (answer) => {
        if (abort.signal.aborted) return;
        const delayMs = await settle(answer);
        if (!abort.signal.aborted) askAfter(delayMs);
      });
  };

  const askAfter = (delayMs: number): void => {
    if (delayMs <= 0) ask();
    // Readers of the same change wait together, or each would read an answer of its own.
    else if (client.takesPauses === true && index !== undefined) ask(delayMs);
    else timer = clock.setTimer(delayMs, () => ask());
  };

  /** Milliseconds until the next request. */
  const settle = async (answer: ConsulAnswer): Promise<number> => {
    waitLimitMs = waitMs;
    if (answer.kind === 'failure') return retreat(answer.reason);
    const verdict = await accept(answer);
    if (abort.signal.aborted) return 0;
    if (verdict.kind === 'garbage') return retreat(verdict.reason);
    failures = 0;
    noise = noiseAfter(verdict, answer.index !== index);
    lastBytes = answer.body.length;
    if (verdict.kind === 'refused') spec.onFailure(verdict.reason);
    // The wait is shortened at random; what is to be confirmed should not be looked at too early.
    if (verdict.kind === 'doubted') waitLimitMs = verdict.againInMs / LEAST_OF_WAIT;
    const pauseMs = (noise >= NOISE_FROM ? noisyPace : pace).take();
    return Math.max(pauseMs, verdict.kind === 'again' ? startOver() : follow(answer.index));
  };

  const noiseAfter = ({ kind }: Verdict, isMoved: boolean): number => {
    if (!isMoved) return 0;
    return kind === 'unchanged' ? Math.min(NOISE_LIMIT, noise + 1) : Math.max(0, noise - 2);
  };

  const accept = async (answer: ConsulAnswer & { kind: 'answer' }): Promise<Verdict> => {
    try {
      return await spec.accept(answer);
    } catch (error) {
      return { kind: 'garbage', reason: `the answer could not be taken in: ${String(error)}` };
    }
  };

  const retreat = (reason: string): number => {
    failures += 1;
    // A server that lost its state would let the old, higher index wait in vain.
    startOver();
    spec.onFailure(reason);
    return backoffMs(failures, random);
  };

  const startOver = (): number => {
    index = undefined;
    return 0;
  };

  const follow = (next: bigint | undefined): number => {
    if (next === undefined) {
      indexless += 1;
      startOver();
      return indexless === 1 ? 0 : INDEXLESS_POLL_MS * (0.5 + 0.5 * random());
    }
    indexless = 0;
    // Backwards: the server's state is another one now, and only a plain read tells what it is.
    index = index !== undefined && next < index ? undefined : next;
    return 0;
  };

  ask();
  return {
    close() {
      abort.abort();
      timer?.cancel();
    },
  };
}
