import { useEffect, useState } from 'preact/hooks';

/** A value that pages share, and that tells when it is replaced. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  subscribe(listener: (value: T) => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<(value: T) => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of listeners) listener(value);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value; the component is rendered again when it is replaced. */
export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(store.get());
  useEffect(() => {
    setValue(() => store.get());
    return store.subscribe((next) => setValue(() => next));
  }, [store]);
  return value;
}

/** A choice of the reader that outlives the page, such as the language. Never for what is secret. */
export function createRememberedStore<T extends string>(key: string, initial: () => T, known: readonly T[]): Store<T> {
  const name = `graylane.${key}`;
  const read = (): string | null => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  const kept = read();
  const store = createStore(known.find((each) => each === kept) ?? initial());
  store.subscribe((value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // A browser that keeps nothing still shows the page.
    }
  });
  return store;
}
