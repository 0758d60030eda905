import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { startHoldingProxy } from '../../support/consul/holding-proxy';
import { freePorts } from '../../support/consul/ports';
import { startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { runScript } from '../../support/run-script';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const closing = closeAfterEach();

const policy: PolicyDocument = {
  ...GRAY_WITH_FALLBACK,
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
};

function open(options: GraylaneOptions): Graylane {
  return closing(createGraylane({ logger: silent, ...options }), (graylane) => graylane.close());
}

async function serve(name: string, port = 0): Promise<PaymentsServer> {
  const server = await startPaymentsServer({ name, version: name }, '127.0.0.1', port);
  return closing(server, (one) => one.kill());
}

function failed(call: Promise<unknown>): Promise<grpc.ServiceError> {
  return call.then(
    () => {
      throw new Error('the call was answered');
    },
    (error: grpc.ServiceError) => error,
  );
}

describe('calls made before anything is known', () => {
  it('queue, and then go where the policy says', async () => {
    const consul = closing(await startConsul(), (one) => one.stop());
    const servers = await Promise.all(['stable', 'canary'].map((name) => serve(name)));
    for (const { name, host, port } of servers) {
      await consul.dc('dc1').register({ name: 'payments', id: name, address: host, port, tags: [name] });
    }
    await consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(policy));
    const proxy = closing(await startHoldingProxy(consul.dc('dc1').address, () => true), (one) => one.stop());
    const graylane = open({ consul: { address: proxy.address }, datacenters: ['dc1'] });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const gray = Array.from({ length: 100 }, () => charge(client, { 'x-gray': 'canary' }));
    const plain = Array.from({ length: 100 }, () => charge(client));
    await pause(300);
    expect(servers.map((server) => server.calls)).toEqual([0, 0]);
    proxy.release();
    expect(new Set((await Promise.all(gray)).map((reply) => reply.version))).toEqual(new Set(['canary']));
    expect(new Set((await Promise.all(plain)).map((reply) => reply.version))).toEqual(new Set(['stable']));
  });

  it('that expire say that it was Consul, where, and what it answered', async () => {
    const graylane = open({ consul: { address: 'http://127.0.0.1:1' }, datacenters: ['dc1', 'dc2'] });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const error = await failed(charge(client, {}, { deadline: Date.now() + 300 }));
    expect(error.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(error.details).toMatch(/payments: instances not known from Consul \(dc1: .*; dc2: .*\)/);
    expect(error.details).toMatch(/127\.0\.0\.1:1\b.*ECONNREFUSED|ECONNREFUSED.*127\.0\.0\.1:1\b/);
    expect(error.details).toMatch(/policy not known/);
  });

  it('that expire say so too when Consul takes the connection and never answers', async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    closing(mute, (one) => {
      one.closeAllConnections();
      one.close();
    });
    const address = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const graylane = open({ consul: { address }, datacenters: ['dc1'] });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const error = await failed(charge(client, {}, { deadline: Date.now() + 200 }));
    expect(error.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(error.details).toMatch(/payments: instances not known \(Consul has not answered yet\)/);
    expect(error.details).toMatch(/payments: policy not known \(no answer yet\)/);
  });

  it('leave no memory behind: 10,000 of them', { timeout: 60_000 }, async () => {
    const script = join(__dirname, 'fixtures', 'expired.ts');
    const ended = await runScript(script, { CONSUL: 'http://127.0.0.1:1' }, ['--expose-gc'], 50_000);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const { expired, before, after } = JSON.parse(ended.stdout) as { expired: number; before: number; after: number };
    const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
    printFact('heap around 10,000 expired calls', `${megabytes(before)} MB before, ${megabytes(after)} MB after`);
    expect(expired).toBe(10_000);
    expect(after).toBeLessThan(before * 1.2);
  });
});

describe('calls to instances that refuse connections', () => {
  let ports: readonly number[];
  beforeAll(async () => {
    ports = await freePorts('127.0.0.1', 2);
  });
  const refused = (): Graylane =>
    open({
      instances: { payments: ports.map((port) => ({ address: '127.0.0.1', port, tags: ['stable'] })) },
      policies: { payments: policy },
    });

  it('fail with UNAVAILABLE and what was tried', async () => {
    const graylane = refused();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const beganAtMs = performance.now();
    const error = await failed(charge(client));
    expect(performance.now() - beganAtMs).toBeLessThan(2_000);
    expect(error.code).toBe(grpc.status.UNAVAILABLE);
    expect(error.details).toMatch(/payments\/stable: 0 of 2 connected in local \(last failure: .*ECONNREFUSED/);
    expect(error.details).toMatch(/fallback none/);
  });

  it('wait under waitForReady until one of them is there', async () => {
    const graylane = refused();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const patient = new grpc.Metadata({ waitForReady: true });
    let isAnswered = false;
    const call = charge(client, patient, { deadline: Date.now() + 15_000 }).finally(() => {
      isAnswered = true;
    });
    await pause(500);
    expect(isAnswered).toBe(false);
    const server = await serve('stable', ports[0]);
    expect((await call).servedBy).toBe(server.name);
  });

  it('expire under waitForReady with what was tried', async () => {
    const graylane = refused();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const patient = new grpc.Metadata({ waitForReady: true });
    const error = await failed(charge(client, patient, { deadline: Date.now() + 300 }));
    expect(error.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    expect(error.details).toMatch(/stable in local: 0 of 2 connected \(last failure: .*ECONNREFUSED/);
  });
});

describe('a strict route to a subset without instances', () => {
  const datacenters = ['dc1', 'dc2'];
  const strict = async (): Promise<{ graylane: Graylane; canary: PaymentsServer; stable: PaymentsServer }> => {
    const [stable, canary] = await Promise.all([serve('stable'), serve('canary')]);
    const graylane = open({
      datacenters,
      instances: {
        payments: [
          { address: stable.host, port: stable.port, tags: ['stable'], datacenter: 'dc1' },
          // Known and of no use: what is missing is told of both datacenters.
          { address: '127.0.0.1', port: 1, tags: ['other'], datacenter: 'dc2' },
        ],
      },
      policies: { payments: policy },
    });
    return { graylane, stable, canary };
  };

  it('fails at once, naming the subset, the datacenters and `fallback none`', async () => {
    const { graylane } = await strict();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    const beganAtMs = performance.now();
    const error = await failed(charge(client, { 'x-gray': 'canary' }));
    expect(performance.now() - beganAtMs).toBeLessThan(2_000);
    expect(error.code).toBe(grpc.status.UNAVAILABLE);
    expect(error.details).toBe(
      'payments/canary: 2 registered in dc1, dc2, none in canary (tags: [canary]); fallback none',
    );
  });

  it('waits under waitForReady, and goes as soon as there is one', async () => {
    const { graylane, canary, stable } = await strict();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const patient = new grpc.Metadata({ waitForReady: true });
    patient.set('x-gray', 'canary');
    const call = charge(client, patient, { deadline: Date.now() + 10_000 });
    await pause(300);
    expect(stable.calls + canary.calls).toBe(0);
    graylane.setInstances('payments', [
      { address: stable.host, port: stable.port, tags: ['stable'], datacenter: 'dc1' },
      { address: canary.host, port: canary.port, tags: ['canary'], datacenter: 'dc2' },
    ]);
    expect((await call).servedBy).toBe('canary');
  });
});
