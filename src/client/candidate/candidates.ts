import { type Candidate, candidateKey, decodeCandidate, MAX_CANDIDATE_MS } from '../../base/candidate';
import type { Timer } from '../../base/clock';
import { Emitter } from '../../base/emitter';
import { createRefCounted } from '../../base/ref-counted';
import type { Runtime } from '../../base/runtime';
import type { ConsulClient } from '../../consul/client';
import { type KeyReading, watchKey } from '../rollout-metrics/key-watch';
import type { RolloutPlace } from '../rollout-metrics/rollout-metrics';

/** A candidate whose command holds it. */
export interface HeldCandidate {
  readonly candidate: Candidate;
  readonly index: string | undefined;
  /** Its time is over: it is in force nowhere, and nothing is counted any more. */
  readonly isOver: boolean;
}

interface SharedWatch {
  readonly latest: HeldCandidate | undefined;
  readonly changes: Emitter<HeldCandidate | undefined>;
  close(): void;
}

/** The candidates of the services that a client uses: one watch for each, while something asks for it. */
export class Candidates {
  readonly #deps: Runtime;
  readonly #watches = createRefCounted<SharedWatch>();
  readonly #clients = new Map<ConsulClient, number>();

  constructor(deps: Runtime) {
    this.#deps = deps;
  }

  /** Calls `listener` with the candidate of now and with each change; undefined: there is none. Returns what ends it. */
  watch(place: RolloutPlace, listener: (held: HeldCandidate | undefined) => void): () => void {
    const number = this.#clients.get(place.client) ?? this.#clients.size;
    this.#clients.set(place.client, number);
    const lease = this.#watches.acquire(`${number} ${place.service}`, () => startWatch(place, this.#deps));
    const { changes, latest } = lease.value;
    const unsubscribe = changes.subscribe(listener);
    if (latest !== undefined) listener(latest);
    return () => {
      unsubscribe();
      lease.release();
    };
  }
}

const WARNING = 'whether a policy is on trial cannot be read';

function startWatch({ service, client, datacenter }: RolloutPlace, deps: Runtime): SharedWatch {
  const { clock, logger } = deps;
  const changes = new Emitter<HeldCandidate | undefined>((error) =>
    logger.error('a candidate could not be taken in', { service, error: String(error) }),
  );
  let latest: HeldCandidate | undefined;
  let end: Timer | undefined;
  const tell = (held: HeldCandidate | undefined): void => {
    latest = held;
    changes.emit(held);
  };
  const take = (reading: KeyReading<Candidate> | undefined): void => {
    end?.cancel();
    if (reading?.isHeld !== true) {
      if (latest !== undefined) tell(undefined);
      return;
    }
    const { value: candidate, index } = reading;
    const leftMs = Math.min(MAX_CANDIDATE_MS, candidate.untilMs - clock.wallNow());
    if (leftMs > 0) end = clock.setTimer(leftMs, () => tell({ candidate, index, isOver: true }));
    tell({ candidate, index, isOver: leftMs <= 0 });
  };
  const key = candidateKey(service);
  const query = watchKey({ key, datacenter, warning: WARNING, decode: decodeCandidate }, take, { ...deps, client });
  return {
    get latest() {
      return latest;
    },
    changes,
    close() {
      query.close();
      end?.cancel();
      changes.clear();
    },
  };
}
