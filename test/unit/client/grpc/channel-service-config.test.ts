import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { parseChannelServiceConfig } from '../../../../src/client/grpc/channel-service-config';
import { createGraylane, type Graylane } from '../../../../src/index';
import { closeAfterEach } from '../../../support/closers';
import { paymentsClient, startPaymentsServer } from '../../../support/payments';

const closing = closeAfterEach();
const RETRY = {
  maxAttempts: 3,
  initialBackoff: '0.1s',
  maxBackoff: '1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE', 'aborted', 8],
};
const METHOD = '/shop.v1.Payments/Charge';

function of(config: object): ReturnType<ReturnType<typeof parseChannelServiceConfig>['methodConfigFor']> {
  return parseChannelServiceConfig(JSON.stringify({ methodConfig: [{ name: [{}], ...config }] })).methodConfigFor(
    METHOD,
  );
}

describe('a service config', () => {
  it('yields retry, hedging, timeout and waitForReady in our units', () => {
    expect(of({ retryPolicy: RETRY })?.retry).toEqual({
      maxAttempts: 3,
      retryableStatusCodes: ['UNAVAILABLE', 'ABORTED', 'RESOURCE_EXHAUSTED'],
      initialBackoffMs: 100,
      maxBackoffMs: 1_000,
      backoffMultiplier: 2,
    });
    const hedgingPolicy = { maxAttempts: 2, hedgingDelay: '0.05s', nonFatalStatusCodes: [14, 'OK', 0] };
    expect(of({ hedgingPolicy })?.hedging).toEqual({
      maxAttempts: 2,
      delayMs: 50,
      nonFatalStatusCodes: ['UNAVAILABLE'],
    });
    expect(of({ hedgingPolicy: { maxAttempts: 4 } })?.hedging).toEqual({
      maxAttempts: 4,
      delayMs: 0,
      nonFatalStatusCodes: [],
    });
    expect(of({ waitForReady: true, timeout: '1.5s' })).toEqual({
      timeoutMs: 1_500,
      retry: undefined,
      hedging: undefined,
      waitForReady: true,
    });
  });

  it.each([
    ['2s', 2_000],
    ['0.25s', 250],
    ['0.000000001s', 0.000001],
    [{ seconds: 3, nanos: 500_000_000 }, 3_500],
  ])('reads a timeout of %j', (timeout, timeoutMs) => {
    expect(of({ timeout })?.timeoutMs).toBeCloseTo(timeoutMs, 9);
  });

  const entry = (timeout: string, ...name: object[]): object => ({ name, timeout });
  const config = parseChannelServiceConfig(
    JSON.stringify({
      methodConfig: [
        entry('1s', {}),
        entry('2s', { service: 'shop.v1.Payments' }, { service: 'shop.v1.Orders', method: '' }),
        entry('3s', { service: 'shop.v1.Payments', method: 'Charge' }),
      ],
    }),
  );
  it.each([
    ['/shop.v1.Payments/Charge', 3_000],
    ['/shop.v1.Payments/Refund', 2_000],
    ['/shop.v1.Orders/Charge', 2_000],
    ['/shop.v1.Other/Charge', 1_000],
    ['/shop.v1.Payments', 2_000],
    ['', 1_000],
  ])('is matched by method, then by service, then by default: %s', (method, timeoutMs) => {
    // Twice: the second answer is remembered.
    for (const _time of [1, 2]) expect(config.methodConfigFor(method)?.timeoutMs).toBe(timeoutMs);
  });

  it('says nothing of what it does not name', () => {
    const named = parseChannelServiceConfig(JSON.stringify({ methodConfig: [entry('1s', { service: 'a.B' })] }));
    for (const _time of [1, 2]) expect(named.methodConfigFor(METHOD)).toBeUndefined();
    expect(parseChannelServiceConfig('{}').methodConfigFor(METHOD)).toBeUndefined();
  });

  const at = 'grpc.service_config.methodConfig[0]';
  const wrong: [object | undefined, string][] = [
    [undefined, 'grpc.service_config.methodConfig[0]: 5 (expected: an object)'],
    [{ name: undefined }, `${at}.name: missing (expected: a list)`],
    [{ name: [5] }, `${at}.name[0]: 5 (expected: an object with "service" and "method")`],
    [{ name: [{ service: 5 }] }, `${at}.name[0].service: 5 (expected: a text)`],
    [{ name: [{ service: 's', method: 5 }] }, `${at}.name[0].method: 5 (expected: a text)`],
    [{ name: [{ method: 'M' }] }, `${at}.name[0].service: missing (expected: a service for the method)`],
    [{ name: [{}, {}] }, `${at}.name: "/" (expected: each name once; it is in ${at}, too)`],
    [{ waitForReady: 'yes' }, `${at}.waitForReady: "yes" (expected: true or false)`],
    [{ timeout: '5' }, `${at}.timeout: "5" (expected: seconds such as "0.5s")`],
    [{ timeout: { nanos: 1 } }, `${at}.timeout.seconds: missing (expected: a number)`],
    [{ timeout: { seconds: 1, nanos: '1' } }, `${at}.timeout.nanos: "1" (expected: a number)`],
    [
      { retryPolicy: RETRY, hedgingPolicy: { maxAttempts: 2 } },
      `${at}: retryPolicy and hedgingPolicy (expected: at most one of them)`,
    ],
    [{ retryPolicy: 5 }, `${at}.retryPolicy: 5 (expected: an object)`],
    [{ retryPolicy: { ...RETRY, maxAttempts: 1 } }, `${at}.retryPolicy.maxAttempts: 1 (expected: a whole number >= 2)`],
    [
      { retryPolicy: { ...RETRY, initialBackoff: 1 } },
      `${at}.retryPolicy.initialBackoff: 1 (expected: seconds such as "0.5s")`,
    ],
    [
      { retryPolicy: { ...RETRY, maxBackoff: undefined } },
      `${at}.retryPolicy.maxBackoff: missing (expected: seconds such as "0.5s")`,
    ],
    [
      { retryPolicy: { ...RETRY, backoffMultiplier: 0 } },
      `${at}.retryPolicy.backoffMultiplier: 0 (expected: a number > 0)`,
    ],
    [
      { retryPolicy: { ...RETRY, retryableStatusCodes: [] } },
      `${at}.retryPolicy.retryableStatusCodes: [] (expected: at least one status)`,
    ],
    [
      { retryPolicy: { ...RETRY, retryableStatusCodes: ['OOPS'] } },
      `${at}.retryPolicy.retryableStatusCodes[0]: "OOPS" (expected: a gRPC status by name or number, such as "UNAVAILABLE")`,
    ],
    [{ hedgingPolicy: [] }, `${at}.hedgingPolicy: [] (expected: an object)`],
    [
      { hedgingPolicy: { maxAttempts: 2, hedgingDelay: 5 } },
      `${at}.hedgingPolicy.hedgingDelay: 5 (expected: seconds such as "0.5s")`,
    ],
    [
      { hedgingPolicy: { maxAttempts: 2, nonFatalStatusCodes: [99] } },
      `${at}.hedgingPolicy.nonFatalStatusCodes[0]: 99 (expected: a gRPC status by name or number, such as "UNAVAILABLE")`,
    ],
  ];
  it.each(wrong)('refuses %j', (method, message) => {
    const methodConfig = [method === undefined ? 5 : { name: [{}], ...method }];
    expect(() => parseChannelServiceConfig(JSON.stringify({ methodConfig }))).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message }),
    );
  });

  it('tells all that is wrong at once', () => {
    const methodConfig = [{ name: [{}], timeout: 1, retryPolicy: { ...RETRY, maxAttempts: 0 } }, 7];
    let message = '';
    try {
      parseChannelServiceConfig(JSON.stringify({ methodConfig }));
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message.split('\n')).toHaveLength(3);
  });
});

describe('in the options of a channel', () => {
  const IGNORED = JSON.stringify({
    loadBalancingConfig: [{ round_robin: {} }],
    retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
  });

  function open(instances: Parameters<Graylane['setInstances']>[1]): { graylane: Graylane; warnings: string[] } {
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message), error() {} };
    const graylane = closing(createGraylane({ instances: { payments: instances }, logger }), (opened) =>
      opened.close(),
    );
    return { graylane, warnings };
  }

  it('what cannot be taken over is told once for all of them, with where it belongs', () => {
    const { graylane, warnings } = open([]);
    for (let made = 0; made < 3; made += 1) {
      graylane.channel('payments', grpc.credentials.createInsecure(), { 'grpc.service_config': IGNORED });
    }
    graylane.register();
    closing(paymentsClient('static:///payments', { 'grpc.service_config': IGNORED }), (bare) => bare.close());
    expect(warnings).toEqual([
      expect.stringMatching(
        /^grpc\.service_config of a channel: loadBalancingConfig is ignored: .*"balancing\.algorithm"$/,
      ),
      expect.stringMatching(/^grpc\.service_config of a channel: retryThrottling is ignored: .*"retryBudget"$/),
    ]);
  });

  it.each([['{}'], [JSON.stringify({ loadBalancingConfig: [], methodConfig: [{ name: [{}], timeout: '1s' }] })]])(
    'nothing is told of %s',
    (config) => {
      const { graylane, warnings } = open([]);
      graylane.channel('payments', grpc.credentials.createInsecure(), { 'grpc.service_config': config });
      expect(warnings).toEqual([]);
    },
  );

  it.each([
    ['waits', {}, 'a'],
    ['fails, since the caller says so', { waitForReady: false }, grpc.status.UNAVAILABLE],
  ])('waitForReady holds: a call without any instance %s', async (_what, own, expected) => {
    const server = closing(await startPaymentsServer({ name: 'a' }), (one) => one.kill());
    const { graylane } = open([]);
    const config = JSON.stringify({ methodConfig: [{ name: [{}], waitForReady: true }] });
    const client = closing(
      paymentsClient(graylane.target('payments'), graylane.clientOptions({ 'grpc.service_config': config })),
      (one) => one.close(),
    );
    const outcome = new Promise((resolve) =>
      client.charge({}, new grpc.Metadata(own), { deadline: Date.now() + 10_000 }, (error, reply) =>
        resolve(error === null ? reply.servedBy : error.code),
      ),
    );
    await expect.poll(() => graylane.inspect().services[0]?.snapshot).toBeGreaterThan(0);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    graylane.setInstances('payments', [{ address: server.host, port: server.port }]);
    expect(await outcome).toBe(expected);
  });
});
