import { afterAll, afterEach } from 'vitest';

/** Remembers how to close what was opened, and gives it back. */
export type Closing = <T>(opened: T, close: (opened: T) => unknown) => T;

/** What a test opened, closed after it in reverse order. Call once at the top of a file. */
export function closeAfterEach(): Closing {
  return closeIn(afterEach);
}

/** For tests that run at once, after which nothing can be closed one by one: closed when all tests of the file have ended. */
export function closeAfterAll(): Closing {
  return closeIn(afterAll);
}

function closeIn(hook: (run: () => Promise<void>) => void): Closing {
  const closers: (() => unknown)[] = [];
  hook(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  return (opened, close) => {
    closers.push(() => close(opened));
    return opened;
  };
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
