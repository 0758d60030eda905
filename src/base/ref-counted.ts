/** Shares one value for each key: created for the first holder, closed after the last. */
interface RefCounted<T> {
  acquire(key: string, create: () => T): Lease<T>;
  /** Closes what is still held. */
  closeAll(): void;
}

export interface Lease<T> {
  readonly value: T;
  /** Idempotent. */
  release(): void;
}

export function createRefCounted<T extends { close(): void }>(): RefCounted<T> {
  const held = new Map<string, { value: T; holders: number }>();
  return {
    acquire(key, create) {
      const entry = held.get(key) ?? { value: create(), holders: 0 };
      held.set(key, entry);
      entry.holders += 1;
      let released = false;
      return {
        value: entry.value,
        release() {
          if (released) return;
          released = true;
          entry.holders -= 1;
          if (entry.holders > 0 || held.get(key) !== entry) return;
          held.delete(key);
          entry.value.close();
        },
      };
    },
    closeAll() {
      const entries = [...held.values()];
      held.clear();
      for (const entry of entries) entry.value.close();
    },
  };
}
