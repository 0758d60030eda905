import { GrpcInstrumentation } from '@opentelemetry/instrumentation-grpc';
import { BatchSpanProcessor, NodeTracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { ClientOptions } from './client-options';
import { argumentOf } from './peer';

/** Takes spans and does nothing with them: what an exporter costs is the same for everybody. */
class DroppingExporter implements SpanExporter {
  export: SpanExporter['export'] = (_spans, done) => {
    done({ code: 0 });
  };
  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

// The same SDK on both sides, every call sampled. Before grpc-js is loaded, as the instrumentation's manual asks.
new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new DroppingExporter())] }).register();
if (argumentOf<ClientOptions>().spans === 'instrumentation') new GrpcInstrumentation();
