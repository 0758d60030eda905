// Calls to a stable and a failing canary, exported to Prometheus, and compared with what the servers counted.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { createGraylane } from 'graylane';
import { type ChargeReply, charge, createPaymentsClient, expectThat, Payments } from '../shared/payments';

const CALLS = 400;
/** With PORT the example goes on calling until it is interrupted, for a Prometheus of yours to scrape. */
const port = Number(process.env['PORT'] ?? 0);

async function main(): Promise<void> {
  // Graylane speaks OpenTelemetry's API; which SDK and which exporter is the application's choice.
  const exporter = new PrometheusExporter({ preventServerStart: true });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
  const scraped = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
  await new Promise<void>((resolve) => scraped.listen(port, '127.0.0.1', resolve));

  // Every fifth charge is answered NOT_FOUND by the canary.
  const stable = await serve(0);
  const canary = await serve(5);
  const graylane = createGraylane({
    instances: {
      payments: [
        { id: 'stable-1', address: '127.0.0.1', port: stable.port, tags: ['stable'] },
        { id: 'canary-1', address: '127.0.0.1', port: canary.port, tags: ['canary'] },
      ],
    },
    policies: {
      payments: {
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
        default: 'stable',
        routes: [
          {
            name: 'everyone',
            split: [
              { to: 'stable', weight: 3 },
              { to: 'canary', weight: 1 },
            ],
          },
        ],
      },
    },
  });
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  do {
    for (let call = 0; call < CALLS; call += 1) {
      await charge(client).catch(() => {});
      if (port !== 0) await sleep(5);
    }
  } while (port !== 0);

  const { port: at } = scraped.address() as AddressInfo;
  const text = await (await fetch(`http://127.0.0.1:${at}/metrics`)).text();
  const shown = text.replace(/,otel_scope[^}]*/g, '').match(/^graylane_(attempts_total|endpoints|build_info).*$/gm);
  console.log(shown?.join('\n'));
  const failed = sum(text, /graylane_subset="canary".*rpc_status_code="NOT_FOUND"/);
  const all = sum(text, /graylane_subset="canary"/);
  expectThat(all === canary.calls, `attempts to the canary: ${all} in the metrics, ${canary.calls} counted by it`);
  expectThat(failed === canary.failed, `failed: ${failed} in the metrics, ${canary.failed} counted by it`);

  await graylane.close();
  client.close();
  scraped.close();
  scraped.closeAllConnections();
  stable.server.forceShutdown();
  canary.server.forceShutdown();
}

interface Served {
  readonly server: grpc.Server;
  readonly port: number;
  calls: number;
  failed: number;
}

/** A server that fails each `failing`th charge; 0: none. */
async function serve(failing: number): Promise<Served> {
  const server = new grpc.Server();
  const served: { -readonly [K in keyof Served]: Served[K] } = { server, port: 0, calls: 0, failed: 0 };
  server.addService(Payments.service, {
    charge(_call: unknown, callback: grpc.sendUnaryData<Partial<ChargeReply>>) {
      served.calls += 1;
      if (failing === 0 || served.calls % failing > 0) return callback(null, { order: 'o-1' });
      served.failed += 1;
      return callback({ code: grpc.status.NOT_FOUND, details: 'no such order' });
    },
  });
  served.port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  return served;
}

function sum(text: string, labels: RegExp): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith('graylane_attempts_total') && labels.test(line))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
