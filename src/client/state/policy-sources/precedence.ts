import type { Timer } from '../../../base/clock';
import { isRecord } from '../../../base/is-record';
import type { Runtime } from '../../../base/runtime';
import { isDefaultChain } from '../../../policy/chain/decisions';
import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicySource, PolicyWatch } from './source';

/**
 * So long a first snapshot waits for the chain where there is no document. It answers in milliseconds, or not at all.
 */
const CHAIN_LIMIT_MS = 1_000;

const WITHOUT_CONNECT = 'Connect must be enabled';

/**
 * `policy=auto` with Consul: the document where there is one, else the chain unless it is the default one, else no
 * policy. The chain is asked for only where there is no document, and can hold nothing up: a chain that cannot be read
 * is told once and is as none, unless one was in force, which then stays.
 */
export function createDocumentOrChainSource(
  documents: PolicySource,
  chains: PolicySource,
  deps: Pick<Runtime, 'clock' | 'logger'>,
): PolicySource {
  return {
    origin: documents.origin,
    watch: (service, listener) => new DocumentOrChainWatch(service, documents, chains, listener, deps),
  };
}

class DocumentOrChainWatch implements PolicyWatch {
  readonly #service: string;
  readonly #chains: PolicySource;
  readonly #listener: (reading: PolicyReading) => void;
  readonly #deps: Pick<Runtime, 'clock' | 'logger'>;
  readonly #documentWatch: PolicyWatch;
  #chainWatch: PolicyWatch | undefined;
  #patience: Timer | undefined;
  /** A document was in force, so that its absence is a deletion: the last plan stays, as without chains. */
  #hadDocument = false;
  #hadChain = false;
  /** What the chain came to last. */
  #verdict: PolicyReading | undefined;
  #isTold = false;

  constructor(
    service: string,
    documents: PolicySource,
    chains: PolicySource,
    listener: (reading: PolicyReading) => void,
    deps: Pick<Runtime, 'clock' | 'logger'>,
  ) {
    this.#service = service;
    this.#chains = chains;
    this.#listener = listener;
    this.#deps = deps;
    this.#documentWatch = documents.watch(service, (reading) => this.#takeDocument(reading));
  }

  close(): void {
    this.#documentWatch.close();
    this.#closeChain();
  }

  #takeDocument(reading: PolicyReading): void {
    if (reading.kind === 'present') {
      this.#hadDocument = !isTombstone(reading);
      this.#hadChain = false;
      this.#closeChain();
      this.#listener(reading);
    } else if (reading.kind === 'error' || this.#hadDocument) {
      // What a document would say is not known, so nothing may stand in for it yet.
      this.#listener(reading);
    } else this.#openChain();
  }

  #openChain(): void {
    if (this.#chainWatch !== undefined) {
      // The document could not be read for a while, and still there is none.
      if (this.#verdict !== undefined) this.#listener(this.#verdict);
      return;
    }
    this.#patience = this.#deps.clock.setTimer(CHAIN_LIMIT_MS, () => {
      this.#withoutChain(`discovery chain of ${this.#service}: no answer within ${CHAIN_LIMIT_MS} ms`);
    });
    this.#chainWatch = this.#chains.watch(this.#service, (reading) => this.#takeChain(reading));
  }

  #closeChain(): void {
    this.#patience?.cancel();
    this.#chainWatch?.close();
    this.#chainWatch = undefined;
    this.#verdict = undefined;
  }

  #takeChain(reading: PolicyReading): void {
    this.#patience?.cancel();
    if (reading.kind !== 'present') {
      const reason = reading.kind === 'error' ? reading.reason : `discovery chain of ${this.#service}: none`;
      if (this.#hadChain) this.#deliver({ kind: 'error', reason });
      else this.#withoutChain(reason);
      return;
    }
    if (!isDefaultChain(reading.content)) {
      this.#hadChain = true;
      this.#deliver(reading);
      return;
    }
    // The entries were deleted, which Consul says outright: unlike a vanished document this leaves nothing to guess.
    if (this.#hadChain) {
      const tombstone = { schema: 1, service: this.#service, tombstone: true };
      this.#deliver({ kind: 'present', content: tombstone, format: 'object' });
    } else this.#deliver({ kind: 'absent' });
    this.#hadChain = false;
  }

  #withoutChain(reason: string): void {
    if (!this.#isTold) {
      this.#isTold = true;
      // Servers without Connect have no config entries of this kind: no operator has to act.
      const level = reason.includes(WITHOUT_CONNECT) ? 'info' : 'warn';
      this.#deps.logger[level]('config entries cannot be read and are left out', { service: this.#service, reason });
    }
    this.#deliver({ kind: 'absent' });
  }

  #deliver(verdict: PolicyReading): void {
    this.#verdict = verdict;
    this.#listener(verdict);
  }
}

/** As far as JSON tells; whatever else is wrong with the document is judged where it is compiled. */
function isTombstone(reading: PolicyReading & { readonly kind: 'present' }): boolean {
  try {
    const content: unknown = typeof reading.content === 'string' ? JSON.parse(reading.content) : reading.content;
    return isRecord(content) && content['tombstone'] === true;
  } catch {
    return false;
  }
}

/**
 * Policies given in code over those that come from elsewhere: while `inline` has a document for a service, that one is
 * in force; otherwise what `below` reads. Each reading bears the origin that it really has.
 */
export function createLayeredPolicySource(inline: PolicySource, below: PolicySource): PolicySource {
  return {
    origin: below.origin,
    watch(service, listener): PolicyWatch {
      let inlineReading: PolicyReading | undefined;
      let belowReading: PolicyReading | undefined;
      const tell = (): void => {
        if (inlineReading?.kind === 'present') listener({ ...inlineReading, origin: inline.origin });
        else if (inlineReading !== undefined && belowReading !== undefined) listener(belowReading);
      };
      const above = inline.watch(service, (reading) => {
        inlineReading = reading;
        tell();
      });
      const under = below.watch(service, (reading) => {
        belowReading = reading;
        if (inlineReading?.kind !== 'present') tell();
      });
      return {
        close() {
          above.close();
          under.close();
        },
      };
    },
  };
}
