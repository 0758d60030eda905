import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServiceError } from '@grpc/grpc-js';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../../src/index';
import { pause } from '../../../support/closers';
import { passOn } from '../../../support/consul/pass-on';
import type { ConsulCluster } from '../../../support/consul/start';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../../support/payments';
import { until } from '../../../support/until';
import { type Recording, readScrape, type Scrape } from './recording';

type Rest = Omit<PolicyDocument, 'schema' | 'service'>;
const LOGGER = { debug() {}, info() {}, warn() {}, error() {} };
/** Several scenes run at once in one process, servers and all. */
const EVERY_MS = 20;
/** Long enough for a busy machine: a call that is lost to it alone fires alerts that nobody expects. */
const DEADLINE_MS = 2_000;
/** On a busy machine few calls are made: with fewer than these, chance says whether a route of few has any. */
const CALLS_ILL = 100;
const EFFECT_MS = 15_000;

/** Two stable instances in each datacenter, a canary in the first, and a client that calls them through a real Consul. */
export interface Scene {
  readonly service: string;
  readonly graylane: Graylane;
  readonly consul: ConsulCluster;
  readonly servers: Readonly<Record<'stable1' | 'stable2' | 'canary' | 'remote1' | 'remote2', PaymentsServer>>;
  /** Statuses of the calls so far; 0 for those that were answered. */
  readonly codes: readonly number[];
  putPolicy(rest: Rest | string): Promise<void>;
  /** From now on reads of policies are answered 403. */
  forbidPolicies(): void;
  close(): Promise<void>;
  record(fault: () => unknown, hasEffect: () => boolean, options?: RecordOptions): Promise<Recording>;
}

interface RecordOptions {
  /** What others export beside the client. */
  readonly more?: () => Promise<string>;
  /** How long the fault is seen at work, in milliseconds; 1,500 unless told. */
  readonly illMs?: number | undefined;
}

/** `labels(n)`: of the nth call. */
export async function openScene(
  consul: ConsulCluster,
  service: string,
  policy: Rest,
  labels: (call: number) => Record<string, string> = () => ({}),
): Promise<Scene> {
  const start = async (name: string, version: string, datacenter: string): Promise<PaymentsServer> => {
    const server = await startPaymentsServer({ name, version, datacenter });
    const { host, port } = server;
    await consul
      .dc(datacenter)
      .register({ name: service, id: `${service}-${name}`, address: host, port, tags: [version] });
    return server;
  };
  const [stable1, stable2, canary, remote1, remote2] = await Promise.all([
    start('stable1', 'stable', 'dc1'),
    start('stable2', 'stable', 'dc1'),
    start('canary', 'canary', 'dc1'),
    start('remote1', 'stable', 'dc2'),
    start('remote2', 'stable', 'dc2'),
  ]);
  const servers = { stable1, stable2, canary, remote1, remote2 };
  const putPolicy = (rest: Rest | string): Promise<void> => {
    const text = typeof rest === 'string' ? rest : JSON.stringify({ schema: 1, service, ...rest });
    return consul.dc('dc1').putKv(`graylane/policies/${service}`, text);
  };
  await putPolicy(policy);
  const door = await openDoor(consul.dc('dc1').address);
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  const graylane = createGraylane({
    name: 'shop',
    consul: { address: door.address },
    datacenters: ['dc1', 'dc2'],
    telemetry: { meterProvider },
    logger: LOGGER,
  });
  const client = paymentsClient(graylane.target(service), graylane.clientOptions());
  await graylane.ready(service);
  const codes: number[] = [];
  let calls = 0;
  const timer = setInterval(() => {
    calls += 1;
    charge(client, labels(calls), { deadline: Date.now() + DEADLINE_MS }).then(
      () => codes.push(0),
      (error: ServiceError) => codes.push(error.code),
    );
  }, EVERY_MS);

  const scrape = async (more?: () => Promise<string>): Promise<Scrape> =>
    readScrape(`${await exported(exporter)}\n${(await more?.()) ?? ''}`, 'a');

  return {
    service,
    graylane,
    consul,
    servers,
    codes,
    putPolicy,
    forbidPolicies: door.forbidPolicies,
    async record(fault, hasEffect, { more, illMs = 1_500 } = {}) {
      await pause(400);
      const well = await scrape(more);
      await pause(800);
      const stillWell = await scrape(more);
      await fault();
      await until(hasEffect, EFFECT_MS, `${service}: the fault had no effect in 15 s`);
      // What the fault set off settles: calls that were out come to their deadlines.
      await pause(DEADLINE_MS);
      const ill = await scrape(more);
      const before = codes.length;
      await pause(illMs);
      const otherwise = `${service}: fewer than ${CALLS_ILL} calls ended in 15 s`;
      await until(() => codes.length >= before + CALLS_ILL, EFFECT_MS, otherwise);
      return [well, stillWell, ill, await scrape(more)];
    },
    async close() {
      clearInterval(timer);
      await graylane.close();
      client.close();
      for (const server of Object.values(servers)) server.kill();
      await meterProvider.shutdown();
      await door.close();
    },
  };
}

/** What the exporter answers Prometheus. */
async function exported(exporter: PrometheusExporter): Promise<string> {
  return new Promise((resolve, reject) => {
    const response = { statusCode: 200, setHeader() {}, end: (text: string) => resolve(text) };
    try {
      exporter.getMetricsRequestHandler({} as never, response as never);
    } catch (error) {
      reject(error);
    }
  });
}

/** Stands before an agent, and can refuse policies as Consul does to a token without `key:read`. */
async function openDoor(agent: string): Promise<{ address: string; forbidPolicies(): void; close(): Promise<void> }> {
  let isForbidden = false;
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    if (isForbidden && path.startsWith('/v1/kv/')) {
      outgoing.writeHead(403).end('Permission denied');
      return;
    }
    passOn(agent, incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    forbidPolicies() {
      isForbidden = true;
      // A read that waits for a change would go on waiting.
      server.closeAllConnections();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
