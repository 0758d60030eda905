/** Shares one value for each key: created for the first holder, closed after the last. */
interface RefCounted<T> {
  acquire(key: string, create: () => T): Lease<T>;
  /** Closes what is still entries. */
  closeAll(): void;
}

export interface Lease<T> {
  readonly value: T;
  /** Idempotent. */
  release(): void;
}

export function createRefCounted<T extends { close(): void }>(): RefCounted<T> {
  const entries = new Map<string, { value: T; holders: number }>();
  return {
    acquire(key, create) {
      const entry = entries.get(key) ?? { value: create(), holders: 0 };
      entries.set(key, entry);
      entry.holders += 1;
      let released = false;
      return {
        value: entry.value,
        release() {
          if (released) return;
          released = true;
          entry.holders -= 1;
          if (entry.holders > 0 || entries.get(key) !== entry) return;
          entries.delete(key);
          entry.value.close();
        },
      };
    },
    closeAll() {
      const open = [...entries.values()];
      entries.clear();
      for (const entry of open) entry.value.close();
    },
  };
}
