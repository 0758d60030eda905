import { type Candidate, placeOf } from '../../base/candidate';
import type { PolicyReading } from '../../policy/policy-reading';
import type { PolicySource, PolicyWatch } from '../state/policy-sources/source';
import type { HeldCandidate } from './candidates';

/** Calls `listener` with the candidate of now and with each change. Returns what ends it. */
export type WatchCandidate = (service: string, listener: (held: HeldCandidate | undefined) => void) => () => void;

/**
 * Policies of `stored`, and in place of one of them its gradual candidate while that is in force in this client: its
 * command holds it, its time is not over, `clientId` has a place below its share, and the policy that it was held
 * against is the one that is stored. Any other writer of the policy thereby ends it at once.
 */
export function createGradualPolicySource(
  stored: PolicySource,
  watchCandidate: WatchCandidate,
  clientId: string,
): PolicySource {
  return {
    origin: stored.origin,
    watch: (service, listener) => new GradualWatch(service, stored, watchCandidate, clientId, listener),
  };
}

type Present = PolicyReading & { readonly kind: 'present' };

class GradualWatch implements PolicyWatch {
  readonly #clientId: string;
  readonly #listener: (reading: PolicyReading) => void;
  readonly #storedWatch: PolicyWatch;
  readonly #endCandidate: () => void;
  #stored: PolicyReading | undefined;
  /** The last that could be read. */
  #present: Present | undefined;
  #held: HeldCandidate | undefined;
  /** ID of the candidate that was delivered last; undefined: what is stored was. */
  #delivered: string | undefined;

  constructor(
    service: string,
    stored: PolicySource,
    watchCandidate: WatchCandidate,
    clientId: string,
    listener: (reading: PolicyReading) => void,
  ) {
    this.#clientId = clientId;
    this.#listener = listener;
    this.#storedWatch = stored.watch(service, (reading) => this.#takeStored(reading));
    this.#endCandidate = watchCandidate(service, (held) => this.#takeCandidate(held));
  }

  close(): void {
    this.#storedWatch.close();
    this.#endCandidate();
  }

  #takeStored(reading: PolicyReading): void {
    this.#stored = reading;
    if (reading.kind === 'present') this.#present = reading;
    const candidate = this.#inForce();
    if (candidate === undefined) this.#deliverStored(reading);
    else this.#deliver(candidate);
  }

  #takeCandidate(held: HeldCandidate | undefined): void {
    this.#held = held;
    const candidate = this.#inForce();
    if (candidate !== undefined) this.#deliver(candidate);
    else if (this.#delivered !== undefined && this.#stored !== undefined) this.#deliverStored(this.#stored);
  }

  #inForce(): Candidate | undefined {
    const { candidate, isOver = true } = this.#held ?? {};
    if (candidate?.kind !== 'gradual' || isOver || this.#stored?.kind === 'absent') return undefined;
    if (candidate.base === undefined || candidate.base !== this.#present?.index) return undefined;
    return placeOf(this.#clientId, candidate.id) < candidate.below ? candidate : undefined;
  }

  #deliver({ id, document }: Candidate): void {
    if (this.#delivered === id) return;
    this.#delivered = id;
    const index = this.#held?.index;
    this.#listener({
      kind: 'present',
      content: document,
      format: 'object',
      origin: 'kv',
      candidate: id,
      ...(index === undefined ? {} : { index }),
    });
  }

  #deliverStored(reading: PolicyReading): void {
    const wasCandidate = this.#delivered !== undefined;
    this.#delivered = undefined;
    // A policy that cannot be read, or is gone, leaves the last one in force: that must not be the candidate.
    if (wasCandidate && reading.kind !== 'present' && this.#present !== undefined) this.#listener(this.#present);
    this.#listener(reading);
  }
}
