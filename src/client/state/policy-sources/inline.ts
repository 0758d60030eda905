import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicySource } from './source';

/** Policies that the program itself holds: `createGraylane({ policies })`, `graylane.setPolicy()`, tests. */
export interface InlinePolicySource extends PolicySource {
  /** Replaces the policy of a service; undefined takes it away. Watches hear of it before this returns. */
  set(service: string, document: object | undefined): void;
}

export function createInlinePolicySource(initial: Readonly<Record<string, object>> = {}): InlinePolicySource {
  const documents = new Map<string, object>(Object.entries(initial));
  const watches = new Map<string, Set<() => void>>();

  return {
    origin: 'inline',
    set(service, document) {
      if (document === undefined) documents.delete(service);
      else documents.set(service, document);
      for (const tell of [...(watches.get(service) ?? [])]) tell();
    },
    watch(service, listener) {
      let isClosed = false;
      let hasBegun = false;
      const tell = (): void => {
        if (hasBegun && !isClosed) listener(readingOf(documents.get(service)));
      };
      const others = watches.get(service) ?? new Set();
      watches.set(service, others.add(tell));
      queueMicrotask(() => {
        hasBegun = true;
        tell();
      });
      return {
        close() {
          isClosed = true;
          others.delete(tell);
          if (others.size === 0 && watches.get(service) === others) watches.delete(service);
        },
      };
    },
  };
}

function readingOf(document: object | undefined): PolicyReading {
  return document === undefined ? { kind: 'absent' } : { kind: 'present', content: document, format: 'object' };
}
