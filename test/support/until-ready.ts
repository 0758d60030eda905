import type { Client } from '@grpc/grpc-js';

/** So that what follows is not held up by connecting. Rejects when it is not ready `withinMs`. */
export function untilReady(client: Pick<Client, 'waitForReady'>, withinMs = 10_000): Promise<void> {
  return new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + withinMs, (error) => (error === undefined ? resolve() : reject(error))),
  );
}
