import { metrics, trace } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRegistered } from '../../../../src/client/telemetry/lane-telemetry';

function unregister(): void {
  trace.disable();
  metrics.disable();
}

// Other test files of this process register an SDK too.
beforeEach(unregister);
afterEach(unregister);

describe('whether an SDK is registered', () => {
  it('is known where the API keeps it', () => {
    expect(isRegistered('trace')).toBe(false);
    expect(isRegistered('metrics')).toBe(false);
    trace.setGlobalTracerProvider(new NodeTracerProvider());
    expect(isRegistered('trace')).toBe(true);
    expect(isRegistered('metrics')).toBe(false);
    metrics.setGlobalMeterProvider(new MeterProvider());
    expect(isRegistered('metrics')).toBe(true);
    trace.disable();
    metrics.disable();
    expect(isRegistered('trace')).toBe(false);
    expect(isRegistered('metrics')).toBe(false);
  });
});
