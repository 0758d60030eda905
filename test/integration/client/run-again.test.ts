import * as grpc from '@grpc/grpc-js';
import { createClientFactory } from 'nice-grpc';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import {
  charge,
  Payments,
  type PaymentsClient,
  type PaymentsServer,
  startPaymentsServer,
} from '../../support/payments';

const closing = closeAfterEach();
const CHARGE = '/shop.v1.Payments/Charge';

/** Both servers do the work and then say UNAVAILABLE: how often does one call run? */
async function open(policy: Partial<PolicyDocument> | undefined): Promise<{ graylane: Graylane; runs: () => number }> {
  const servers: PaymentsServer[] = [];
  for (const name of ['p1', 'p2']) {
    const server = closing(await startPaymentsServer({ name }), (one) => one.kill());
    server.behave({ code: grpc.status.UNAVAILABLE, details: 'done, and then failed' });
    servers.push(server);
  }
  const options: GraylaneOptions = {
    instances: { payments: servers.map(({ host, port }) => ({ address: host, port })) },
    ...(policy && { policies: { payments: { schema: 1, service: 'payments', ...policy } } }),
    logger: silentLogger,
  };
  const graylane = closing(createGraylane(options), (one) => one.close());
  await graylane.ready('payments');
  return { graylane, runs: () => servers.reduce((sum, { calls }) => sum + calls, 0) };
}

type ClientClass = new (
  target: string,
  credentials: grpc.ChannelCredentials,
  options: grpc.ClientOptions,
) => grpc.Client;

/** A client whose definition says what its author said of the method. */
function clientWith(level: string | undefined): ClientClass {
  const service = Payments.service;
  const described = Object.fromEntries(
    Object.entries(service).map(([name, method]) => [name, { ...method, options: { idempotency_level: level } }]),
  );
  return grpc.makeGenericClientConstructor(
    (level === undefined ? service : described) as grpc.ServiceDefinition,
    'Payments',
  ) as unknown as ClientClass;
}

const insecure = grpc.credentials.createInsecure();

/** Makes one call that fails; what it ends with is the servers' word in each case. */
async function failOnce(client: PaymentsClient): Promise<void> {
  await expect(charge(client)).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
}

const DEFAULT_ATTEMPTS = 2;

describe('how often a call runs that fails after its work was done', () => {
  it.each<[string, Partial<PolicyDocument> | undefined, string | undefined, number]>([
    ['no policy', undefined, undefined, 1],
    ['a policy that says nothing of retries', {}, undefined, 1],
    ['timeouts alone', { timeoutMs: 5_000, attemptTimeoutMs: 1_000 }, undefined, 1],
    ['a retry budget alone', { retryBudget: { percent: 100 } }, undefined, 1],
    ['retry', { retry: {} }, undefined, DEFAULT_ATTEMPTS],
    ['retry with numbers', { retry: { maxAttempts: 4 }, retryBudget: { minPerSecond: 1 } }, undefined, 4],
    ['retry of another code', { retry: { retryableStatusCodes: ['ABORTED'] } }, undefined, 1],
    ['retry off', { retry: 'off' }, undefined, 1],
    ['an idempotent method by name', { idempotent: [CHARGE] }, undefined, DEFAULT_ATTEMPTS],
    ['an idempotent service', { idempotent: ['/shop.v1.Payments/'] }, undefined, DEFAULT_ATTEMPTS],
    ['another idempotent method', { idempotent: ['/shop.v1.Payments/Refund'] }, undefined, 1],
    ['idempotent, but retry off', { idempotent: [CHARGE], retry: 'off' }, undefined, 1],
    ['idempotent, and retry with numbers', { idempotent: [CHARGE], retry: { maxAttempts: 3 } }, undefined, 3],
    ['a definition: IDEMPOTENT', undefined, 'IDEMPOTENT', DEFAULT_ATTEMPTS],
    ['a definition: NO_SIDE_EFFECTS', {}, 'NO_SIDE_EFFECTS', DEFAULT_ATTEMPTS],
    ['a definition: IDEMPOTENCY_UNKNOWN', {}, 'IDEMPOTENCY_UNKNOWN', 1],
    ['a definition, but retry off', { retry: 'off' }, 'IDEMPOTENT', 1],
    ['a route that says retry', { routes: [{ name: 'all', to: 'all', retry: {} }] }, undefined, DEFAULT_ATTEMPTS],
    ['a route that says off', { retry: {}, routes: [{ name: 'all', to: 'all', retry: 'off' }] }, undefined, 1],
  ])('%s', async (_, policy, level, runs) => {
    const subsets = policy?.routes === undefined ? {} : { subsets: { all: {} } };
    const opened = await open(policy && { ...subsets, ...policy });
    for (const options of [opened.graylane.clientOptions(), opened.graylane.channelOptions()]) {
      const before = opened.runs();
      const client = new (clientWith(level))(opened.graylane.target('payments'), insecure, options);
      closing(client, (one) => one.close());
      await failOnce(client as PaymentsClient);
      expect(opened.runs() - before).toBe(runs);
    }
  });

  it.each<[string, grpc.ClientOptions, boolean]>([
    ['retries switched off on the channel', { 'grpc.enable_retries': 0 }, false],
    ['retry: false around the call', {}, true],
  ])('once with %s, whatever the policy and the definition say', async (_, options, isScoped) => {
    const { graylane, runs } = await open({ retry: { maxAttempts: 5 } });
    const client = new (clientWith('IDEMPOTENT'))(
      graylane.target('payments'),
      insecure,
      graylane.clientOptions(options),
    );
    closing(client, (one) => one.close());
    await graylane.with(isScoped ? { retry: false } : {}, () => failOnce(client as PaymentsClient));
    expect(runs()).toBe(1);
  });

  it.each<[string, Partial<PolicyDocument>, number]>([
    ['which counts where the policy says nothing', {}, 3],
    ["after the policy's own", { retry: { maxAttempts: 2 } }, 2],
    ["after the policy's off", { retry: 'off' }, 1],
    ['before what is idempotent', { idempotent: [CHARGE] }, 3],
  ])("by the channel's own service config, %s", async (_, policy, expected) => {
    const { graylane, runs } = await open(policy);
    const retryPolicy = {
      maxAttempts: 3,
      initialBackoff: '0.01s',
      maxBackoff: '0.01s',
      backoffMultiplier: 1,
      retryableStatusCodes: ['UNAVAILABLE'],
    };
    const config = JSON.stringify({ methodConfig: [{ name: [{ service: 'shop.v1.Payments' }], retryPolicy }] });
    const options = graylane.clientOptions({ 'grpc.service_config': config });
    const client = closing(new Payments(graylane.target('payments'), insecure, options), (one) => one.close());
    await failOnce(client as unknown as PaymentsClient);
    expect(runs()).toBe(expected);
  });

  it.each<[string, Partial<PolicyDocument>, number]>([
    ['nothing', {}, 100],
    ['of its own', { timeoutMs: 300 }, 300],
  ])("ends by the timeout of the channel's service config where the policy has %s", async (_, policy, limitMs) => {
    const { client } = await openSlow(policy, {
      'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], timeout: '0.1s' }] }),
    });
    const beganAt = performance.now();
    await expect(charge(client)).rejects.toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
    expect(performance.now() - beganAt).toBeGreaterThan(limitMs - 5);
  });

  it.each<[string, Partial<PolicyDocument>, string]>([
    ['nothing', {}, 'quick'],
    ['retry off', { retry: 'off' }, 'slow'],
  ])("is hedged by the channel's service config where the policy says %s", async (_, policy, expected) => {
    const hedgingPolicy = { maxAttempts: 2, hedgingDelay: '0.05s' };
    const { client } = await openSlow(policy, {
      'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], hedgingPolicy }] }),
    });
    expect((await charge(client)).servedBy).toBe(expected);
  });

  it.each<[string, Partial<PolicyDocument>, boolean, number]>([
    ['nobody has described the method', {}, false, 1],
    ['it was described', {}, true, DEFAULT_ATTEMPTS],
    ['the policy says retry', { retry: {} }, false, DEFAULT_ATTEMPTS],
    ['the policy calls it idempotent', { idempotent: [CHARGE] }, false, DEFAULT_ATTEMPTS],
  ])('over channel(), with nice-grpc: %s', async (_, policy, isDescribed, expected) => {
    const { graylane, runs } = await open(policy);
    if (isDescribed) {
      const options = { idempotencyLevel: 'IDEMPOTENT' };
      const method = { name: 'Charge', requestStream: false, responseStream: false, options };
      graylane.describeMethods({ name: 'Payments', fullName: 'shop.v1.Payments', methods: { charge: method } });
    }
    const channel = closing(graylane.channel('payments', insecure), (one) => one.close());
    const client = createClientFactory().create(Payments.service, channel) as unknown as {
      Charge(request: object): Promise<unknown>;
    };
    await expect(client.Charge({ order: 'o-1' })).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(runs()).toBe(expected);
  });

  it.each<[string, Partial<PolicyDocument>, number]>([
    ['a bare target runs once', {}, 1],
    ['a bare target with retry in the policy', { retry: {} }, DEFAULT_ATTEMPTS],
    ['a bare target of an idempotent method', { idempotent: [CHARGE] }, DEFAULT_ATTEMPTS],
  ])('%s', async (_, policy, expected) => {
    const { graylane, runs } = await open(policy);
    graylane.register();
    const client = closing(new Payments(graylane.target('payments'), insecure), (one) => one.close());
    await failOnce(client as unknown as PaymentsClient);
    expect(runs()).toBe(expected);
  });
});

/** One server that is asked first and takes its time, one that answers at once. */
async function openSlow(
  policy: Partial<PolicyDocument>,
  options: grpc.ClientOptions = {},
): Promise<{ client: PaymentsClient; slow: PaymentsServer }> {
  const slow = closing(await startPaymentsServer({ name: 'slow' }), (one) => one.kill());
  slow.behave({ delayMs: 2_000 });
  const quick = closing(await startPaymentsServer({ name: 'quick' }), (one) => one.kill());
  const graylane = closing(
    createGraylane({
      instances: {
        payments: [
          { address: slow.host, port: slow.port, tags: ['first'] },
          { address: quick.host, port: quick.port, tags: ['second'] },
        ],
      },
      policies: {
        payments: {
          schema: 1,
          service: 'payments',
          subsets: { first: { tags: ['first'], fallback: 'second' }, second: { tags: ['second'] } },
          default: 'first',
          ...policy,
        },
      },
      logger: silentLogger,
    }),
    (one) => one.close(),
  );
  await graylane.ready('payments');
  const client = new Payments(graylane.target('payments'), insecure, graylane.clientOptions(options));
  return { client: closing(client, (one) => one.close()) as unknown as PaymentsClient, slow };
}

describe('a call that fails after more seconds than the budget looks back', () => {
  it('is tried again in a service that is quiet otherwise', async () => {
    const { client, slow } = await openSlow({ retry: {} });
    slow.behave({ code: grpc.status.UNAVAILABLE, afterMs: 10_600 });
    expect((await charge(client)).servedBy).toBe('quick');
  });
});

describe('attemptTimeoutMs', () => {
  it('ends an attempt that takes longer, and the next answers', async () => {
    const { client } = await openSlow({ retry: {}, attemptTimeoutMs: 100 });
    expect((await charge(client)).servedBy).toBe('quick');
  });

  it('of a route goes before that of the policy', async () => {
    const routes = [{ name: 'all', to: 'first', attemptTimeoutMs: 100 }];
    const { client } = await openSlow({ retry: {}, attemptTimeoutMs: 60_000, routes });
    expect((await charge(client)).servedBy).toBe('quick');
  });

  it.each<[string, Partial<PolicyDocument>]>([
    ['of a call that may not run again', {}],
    ['with retry off', { retry: 'off' }],
    ['with the retry budget spent', { retry: {}, retryBudget: { percent: 0, minPerSecond: 0 } }],
  ])('shortens nothing %s', async (_, policy) => {
    const { client, slow } = await openSlow({ attemptTimeoutMs: 100, ...policy });
    expect((await charge(client)).servedBy).toBe('slow');
    expect(slow.calls).toBe(1);
  });

  it('shortens no request that grpc-js does not keep', async () => {
    const { client, slow } = await openSlow({ retry: {}, attemptTimeoutMs: 100 });
    const order = 'x'.repeat(2 ** 20 + 1);
    const reply = await new Promise<{ servedBy: string }>((resolve, reject) =>
      client.charge({ order }, (error, answer) => (error === null ? resolve(answer) : reject(error))),
    );
    expect([reply.servedBy, slow.calls]).toEqual(['slow', 1]);
  });

  it('shortens no last attempt: both are slow, the second answers', async () => {
    const { client, slow } = await openSlow({
      retry: {},
      attemptTimeoutMs: 100,
      default: 'second',
      subsets: { second: { tags: ['first'] } },
    });
    expect((await charge(client)).servedBy).toBe('slow');
    expect(slow.calls).toBe(2);
  });

  it('auto: learns what the method usually takes', async () => {
    const { client, slow } = await openSlow({ retry: {}, attemptTimeoutMs: 'auto' });
    slow.behave(undefined);
    for (let call = 0; call < 30; call += 1) expect((await charge(client)).servedBy).toBe('slow');
    slow.behave({ delayMs: 20_000 });
    expect((await charge(client)).servedBy).toBe('quick');
  });

  it('auto: shortens nothing while it knows too little', async () => {
    const { client } = await openSlow({ retry: {}, attemptTimeoutMs: 'auto' });
    expect((await charge(client)).servedBy).toBe('slow');
  });
});
