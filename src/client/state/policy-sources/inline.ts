import { Emitter } from '../../../base/emitter';
import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicySource } from './source';

/** Policies that the program itself holds: `createGraylane({ policies })`, `graylane.setPolicy()`, tests. */
export interface InlinePolicySource extends PolicySource {
  /** Replaces the policy of a service; undefined takes it away. Watches hear of it before this returns. */
  set(service: string, document: object | undefined): void;
}

export function createInlinePolicySource(): InlinePolicySource {
  const documents = new Map<string, object>();
  const changes = new Emitter<string>();

  return {
    origin: 'inline',
    set(service, document) {
      if (document === undefined) documents.delete(service);
      else documents.set(service, document);
      changes.emit(service);
    },
    watch(service, listener) {
      let isClosed = false;
      let hasBegun = false;
      const tell = (changed: string): void => {
        if (changed === service && hasBegun && !isClosed) listener(readingOf(documents.get(service)));
      };
      const unsubscribe = changes.subscribe(tell);
      queueMicrotask(() => {
        hasBegun = true;
        tell(service);
      });
      return {
        close() {
          isClosed = true;
          unsubscribe();
        },
      };
    },
  };
}

function readingOf(document: object | undefined): PolicyReading {
  return document === undefined ? { kind: 'absent' } : { kind: 'present', content: document, format: 'object' };
}
