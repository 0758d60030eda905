import { metrics, trace } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { afterEach, describe, expect, it } from 'vitest';
import { isRegistered } from '../../../src/client/telemetry/client-telemetry';

afterEach(() => {
  trace.disable();
  metrics.disable();
});

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
