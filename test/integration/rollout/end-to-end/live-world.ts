import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { createConsulClient } from '../../../../src/consul/client';
import { parseConsulOptions } from '../../../../src/consul/options';
import { createGraylane, type Graylane } from '../../../../src/index';
import type { StoredPolicy } from '../../../../src/ops/store/history';
import { createPolicyStore } from '../../../../src/ops/store/policy-store';
import { type Behaviour, type PaymentsClient, paymentsClient } from '../../../support/payments';
import { type ServerProcess, startServerProcess } from '../../../support/server-process';
import { type CommandWorld, commandWorld } from '../../cli/two-datacenters';
import { type PrometheusProcess, startPrometheus } from '../../telemetry/prometheus-process';
import { type SteadyLoad, startLoad } from './steady-load';

/** What a hook was told. */
interface Notice {
  readonly service: string;
  readonly event: string;
  readonly message: string;
}

export interface ServedService {
  readonly client: PaymentsClient;
  readonly load: SteadyLoad;
}

/** A client that a real Prometheus scrapes, with real servers that a real Consul knows, and a hook that remembers. */
export interface LiveWorld extends CommandWorld {
  readonly prometheusUrl: string;
  readonly hookUrl: string;
  notices(service: string): readonly Notice[];
  /** Policy and history as they stand in Consul. */
  stored(service: string): Promise<StoredPolicy>;
  /** Begins to call a service, whose canary behaves as told from the first call on. */
  serve(service: string, settings: ServeSettings): Promise<ServedService>;
}

export interface ServeSettings {
  readonly callsPerSecond: number;
  readonly stable?: Behaviour;
  readonly canary?: Behaviour;
}

const INSTANCES = [1, 2] as const;

/** For all tests of a file. Two instances of each version for each of `services`. */
export function liveWorld(services: readonly string[]): LiveWorld {
  const world = commandWorld({ datacenters: ['dc1'] });
  const heard: Notice[] = [];
  const closers: (() => unknown)[] = [];
  let hookUrl = '';
  let prometheus: PrometheusProcess | undefined;
  let graylane: Graylane | undefined;
  let servers: Readonly<Record<'stable' | 'canary', ServerProcess>> | undefined;

  beforeAll(async () => {
    const names = services.flatMap((service) => INSTANCES.map((at) => `${service}-${at}`));
    const exporter = new PrometheusExporter({ preventServerStart: true });
    const scraped = await listen((request, response) => exporter.getMetricsRequestHandler(request, response), closers);
    hookUrl = await listen((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += String(chunk);
      });
      request.on('end', () => {
        heard.push(JSON.parse(text) as Notice);
        response.end();
      });
    }, closers);
    const starting = [
      startServerProcess({ names, version: 'stable' }),
      startServerProcess({ names, version: 'canary' }),
    ] as const;
    for (const each of starting) void each.then((server) => closers.push(() => server.kill()));
    const [stable, canary] = await Promise.all(starting);
    servers = { stable, canary };
    graylane = createGraylane({
      consul: { address: world.consul.dc('dc1').address },
      stateDirectory: false,
      telemetry: { meterProvider: new MeterProvider({ readers: [exporter] }) },
    });
    closers.push(() => graylane?.close());
    prometheus = await startPrometheus(new URL(scraped).host);
    closers.push(() => prometheus?.stop());
  });
  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  return {
    get consul() {
      return world.consul;
    },
    run: world.run,
    runJson: world.runJson,
    file: world.file,
    folder: world.folder,
    kv: world.kv,
    get prometheusUrl() {
      return prometheus?.url ?? '';
    },
    get hookUrl() {
      return hookUrl;
    },
    async stored(service) {
      const { address } = world.consul.dc('dc1');
      const client = createConsulClient(parseConsulOptions({ address }, {}), { clock: systemClock });
      try {
        return await createPolicyStore({ client }).read(service, undefined);
      } finally {
        client.close();
      }
    },
    notices: (service) => heard.filter((notice) => notice.service === service),
    async serve(service, { callsPerSecond, ...behaviours }) {
      if (servers === undefined || graylane === undefined) throw new Error('nothing serves yet');
      const own = INSTANCES.map((at) => `${service}-${at}`);
      for (const version of ['stable', 'canary'] as const) {
        await servers[version].behave(behaviours[version], own);
        for (const { name, host, port } of servers[version].instances) {
          if (!own.includes(name)) continue;
          const id = `${version}-${name}`;
          await world.consul.dc('dc1').register({ name: service, id, address: host, port, tags: [version] });
        }
      }
      const client = paymentsClient(graylane.target(service), graylane.clientOptions());
      await graylane.ready(service, { timeoutMs: 10_000 });
      const load = startLoad(client, callsPerSecond);
      closers.push(async () => {
        await load.stop();
        client.close();
      });
      return { client, load };
    },
  };
}

/** `http://127.0.0.1:port` */
async function listen(handler: Parameters<typeof createServer>[1], closers: (() => unknown)[]): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
