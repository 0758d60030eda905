// Calls payments for 1,000 users in turn, 100 times a second, and shows itself: metrics at :9464, its own page of state at :9465.
import { createServer } from 'node:http';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { createGraylane } from 'graylane';

const INTERVAL_MS = 10;
const [metricsPort, adminPort] = [process.env.METRICS_PORT ?? '9464', process.env.ADMIN_PORT ?? '9465'].map(Number);
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [new PrometheusExporter({ port: metricsPort })] }));

const graylane = createGraylane({ serviceName: 'orders' });
createServer(graylane.adminHandler()).listen(adminPort);

const { shop } = grpc.loadPackageDefinition(loadSync('payments.proto', { longs: Number, defaults: true }));
const client = new shop.v1.Payments(
  graylane.target('payments'),
  grpc.credentials.createInsecure(),
  graylane.clientOptions(),
);

let made = 0;
const answered = {};
const timer = setInterval(() => {
  made += 1;
  const labels = graylane.metadata({ 'x-user-id': `u-${made % 1000}` });
  client.charge({ order: `o-${made}` }, labels, { deadline: Date.now() + 2000 }, (error, reply) => {
    const who = error === null ? reply.version : grpc.status[error.code];
    answered[who] = (answered[who] ?? 0) + 1;
  });
}, INTERVAL_MS);
const shown = setInterval(() => console.log(JSON.stringify(answered)), 2000);

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    clearInterval(timer);
    clearInterval(shown);
    await graylane.close();
    process.exit();
  });
}
