import type { Client } from '@grpc/grpc-js';
import type { Graylane } from '../../src/index';
import { until } from './until';

/** So that what follows is not held up by connecting. Rejects when it is not ready `withinMs`. */
export function untilReady(client: Pick<Client, 'waitForReady'>, withinMs = 10_000): Promise<void> {
  return new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + withinMs, (error) => (error === undefined ? resolve() : reject(error))),
  );
}

/** So that every endpoint that calls may go to is picked from: all of them are connected, or `count`, no more and no less. */
export async function untilConnected(graylane: Graylane, count?: number): Promise<void> {
  await until(() => {
    const endpoints = graylane.inspect().services.flatMap((service) => service.endpoints);
    const connected = endpoints.filter(({ connections }) => connections.includes('ready'));
    return connected.length > 0 && connected.length === (count ?? endpoints.length);
  });
}
