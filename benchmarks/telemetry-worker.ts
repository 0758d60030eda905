// One side of benchmarks/telemetry.ts in a process of its own: `server`, or a client with one kind of telemetry. Told over IPC
// how many calls to make; answers with the processor time that they took.
import { GrpcInstrumentation } from '@opentelemetry/instrumentation-grpc';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace-node';

const ROLE = process.env['ROLE'] ?? '';
const CONCURRENCY = 16;

/** Takes spans and does nothing with them: what an exporter costs is the same for everybody. */
class DroppingExporter implements SpanExporter {
  export: SpanExporter['export'] = (_spans, done) => {
    done({ code: 0 });
  };
  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

class ManualReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

function traced(): void {
  new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new DroppingExporter())] }).register();
}

async function serve(): Promise<void> {
  const { startPaymentsServer } = require('../test/support/payments') as typeof import('../test/support/payments');
  process.send?.({ port: (await startPaymentsServer()).port });
}

async function call(port: number): Promise<void> {
  // Before grpc-js is loaded, as its manual asks.
  if (ROLE === 'grpc-js with instrumentation-grpc') {
    traced();
    new GrpcInstrumentation();
  }
  const reader = new ManualReader();
  if (ROLE === 'graylane with spans') traced();
  const meterProvider = ROLE === 'graylane with metrics' ? new MeterProvider({ readers: [reader] }) : undefined;
  const { charge, paymentsClient } = require('../test/support/payments') as typeof import('../test/support/payments');
  // As it ships: what runs TypeScript puts a getter before every import.
  const { createGraylane } = require('../dist/index.js') as typeof import('../src/index');
  const lane = createGraylane({
    instances: { payments: [{ address: '127.0.0.1', port, tags: ['stable'] }] },
    policies: {
      payments: {
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] } },
        routes: [{ name: 'everyone', split: [{ to: 'stable', weight: 1 }], stickBy: 'x-user-id' }],
      },
    },
    ...(meterProvider === undefined ? {} : { telemetry: { meterProvider } }),
  });
  const client = ROLE.startsWith('graylane')
    ? paymentsClient(lane.target('payments'), lane.clientOptions())
    : paymentsClient(`127.0.0.1:${port}`);
  await charge(client);
  process.on('message', async ({ calls }: { calls: number }) => {
    const before = process.cpuUsage();
    let begun = 0;
    const worker = async (): Promise<void> => {
      while (begun < calls) {
        begun += 1;
        await charge(client, { 'x-user-id': 'u-42' });
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    const { user, system } = process.cpuUsage(before);
    const beforeCollection = process.cpuUsage();
    if (meterProvider !== undefined) await reader.collect();
    const collection = process.cpuUsage(beforeCollection);
    process.send?.({
      microseconds: (user + system) / calls,
      collection: meterProvider === undefined ? 0 : collection.user + collection.system,
    });
  });
  process.send?.({ ready: true });
}

void (ROLE === 'server' ? serve() : call(Number(process.env['SERVER_PORT'])));
process.on('disconnect', () => process.exit(0));
