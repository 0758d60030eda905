import { afterEach } from 'vitest';

/** What a test opened, closed after it in reverse order. Call once at the top of a file. */
export function closeAfterEach(): <T>(opened: T, close: (opened: T) => unknown) => T {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
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
