import type { ConsulCluster } from '../../test/support/consul/start';
import type { CalledAddresses, DnsClientOptions } from '../peers/dns-client';
import { startPeer } from '../peers/peer';
import { pause } from './traffic';

const SERVICE = 'dns-payments';
/** Longer than the 30 s that grpc-js lets pass between two resolutions. */
export const DNS_WATCHED_MS = 35_000;

/** What a client that resolves the name in Consul's DNS saw. Undefined: nothing, for as long as it was watched. */
export interface DnsReaction {
  readonly watchedMs: number;
  readonly registeredMs: number | undefined;
  readonly deregisteredMs: number | undefined;
}

/**
 * grpc-js with `dns:` and round_robin against Consul's own DNS server: one instance is registered and another deregistered at
 * the same moment. The name has no port in DNS, so all instances share one.
 */
export async function followDns(consul: ConsulCluster, watchedMs: number): Promise<DnsReaction> {
  const dc = consul.dc('dc1');
  const server = await startPeer('server.ts', { host: '0.0.0.0', ports: 1 });
  const [port = 0] = await server.ask<readonly number[]>('ports');
  const register = (address: string): Promise<void> => dc.register({ name: SERVICE, id: address, address, port });
  const [staying, leaving, coming] = ['127.1.0.1', '127.1.0.2', '127.1.0.3'] as const;
  await register(staying);
  await register(leaving);
  const target = `dns://${dc.dnsAddress}/${SERVICE}.service.consul:${port}`;
  const client = await startPeer('dns-client.ts', { target, everyMs: 5 } satisfies DnsClientOptions);
  try {
    const called = async (): Promise<CalledAddresses> =>
      (await client.ask<{ readonly called: CalledAddresses }>('called')).called;
    await pause(2_000);
    const before = await called();
    for (const address of [staying, leaving]) {
      if (before[`${address}:${port}`] === undefined) throw new Error(`${target}: ${address} was never called`);
    }
    const changedAtMs = performance.timeOrigin + performance.now();
    await Promise.all([register(coming), dc.deregister(leaving)]);
    await pause(watchedMs);
    const after = await called();
    const firstMs = after[`${coming}:${port}`]?.firstMs;
    const lastMs = after[`${leaving}:${port}`]?.lastMs ?? 0;
    const isStillCalled = performance.timeOrigin + performance.now() - lastMs < 1_000;
    return {
      watchedMs,
      registeredMs: firstMs === undefined ? undefined : firstMs - changedAtMs,
      deregisteredMs: isStillCalled ? undefined : Math.max(0, lastMs - changedAtMs),
    };
  } finally {
    await client.stop();
    await server.stop();
  }
}

export function formatDns({ watchedMs, registeredMs, deregisteredMs }: DnsReaction): string {
  const shown = (ms: number | undefined): string =>
    ms === undefined ? `not within ${watchedMs / 1_000} s` : `${ms.toFixed(0)} ms`;
  return (
    `  instance registered -> first call to it: ${shown(registeredMs)}\n` +
    `  instance deregistered -> last call to it: ${shown(deregisteredMs)}`
  );
}
