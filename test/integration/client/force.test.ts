import * as grpc from '@grpc/grpc-js';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CallReport, createGraylane, type ForceSelector, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { graySplit } from '../../support/gray-policy';
import { CHARGE, charge, Payments, type PaymentsClient, paymentsClient } from '../../support/payments';
import { policy, startTwoDatacenters, type TwoDatacenters } from './two-datacenters';

const closing = closeAfterEach();
let world: TwoDatacenters;
let graylane: Graylane;
let client: PaymentsClient;

beforeEach(async () => {
  world = closing(await startTwoDatacenters(), (one) => one.kill());
  graylane = closing(
    createGraylane({
      datacenters: ['dc1', 'dc2'],
      instances: { payments: world.instances },
      policies: { payments: policy },
    }),
    (opened) => opened.close(),
  );
  client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
});

async function servedBy(force: ForceSelector, labels: Record<string, string> = {}): Promise<string> {
  const replies = await Promise.all(
    Array.from({ length: 10 }, () => graylane.with({ force }, () => charge(client, labels))),
  );
  return [...new Set(replies.map((reply) => reply.servedBy))].sort().join(' ');
}

function failure(force: ForceSelector): Promise<grpc.ServiceError> {
  return graylane
    .with({ force }, () => charge(client))
    .then(
      () => {
        throw new Error('the call was answered');
      },
      (error: grpc.ServiceError) => error,
    );
}

describe('force', () => {
  it('goes to the subset, the datacenter, the instance or the endpoint that it names, against every route', async () => {
    expect(await servedBy({ subset: 'canary' })).toBe('canary-dc1');
    expect(await servedBy({ subset: 'stable' }, { 'x-gray': 'canary' })).toBe('stable-dc1');
    expect(await servedBy({ datacenter: 'dc2' })).toBe('stable-dc2');
    expect(await servedBy({ datacenter: 'dc2' }, { 'x-gray': 'canary' })).toBe('canary-dc2');
    expect(await servedBy({ subset: 'canary', datacenter: 'dc2' })).toBe('canary-dc2');
    expect(await servedBy({ instance: 'canary-dc2' })).toBe('canary-dc2');
    const { host, port } = world.server('canary-dc1');
    expect(await servedBy({ endpoint: `${host}:${port}` })).toBe('canary-dc1');
  });

  it('holds for the calls of its function only', async () => {
    await graylane.with({ force: { subset: 'canary' } }, async () => {
      expect((await charge(client)).servedBy).toBe('canary-dc1');
    });
    expect((await charge(client)).servedBy).toBe('stable-dc1');
  });

  it.each<[ForceSelector, RegExp]>([
    [{ subset: 'canray' }, /forced by the caller to subset canray/],
    [{ datacenter: 'dc9' }, /forced by the caller to datacenter dc9/],
    [{ instance: 'nobody' }, /forced by the caller to instance nobody: no usable instance is known/],
    [{ endpoint: '127.0.0.1:1' }, /forced by the caller to endpoint 127\.0\.0\.1:1: no usable instance is known/],
    [{ instance: 'canary-dc1', datacenter: 'dc2' }, /forced by the caller to instance canary-dc1, datacenter dc2/],
  ])('%o fails at once when it cannot be had, naming itself', async (force, says) => {
    await charge(client);
    const beganAtMs = performance.now();
    const error = await failure(force);
    expect(performance.now() - beganAtMs).toBeLessThan(2_000);
    expect(error.code).toBe(grpc.status.UNAVAILABLE);
    expect(error.details).toMatch(says);
    expect(world.servers.reduce((sum, server) => sum + server.calls, 0)).toBe(1);
  });

  it('strict keeps a call in its subset, its datacenter and at its instance when they fail', async () => {
    world.server('canary-dc1').behave({ code: grpc.status.UNAVAILABLE, details: 'canary is down' });
    world.server('canary-dc2').behave({ code: grpc.status.UNAVAILABLE, details: 'canary is down' });
    expect((await failure({ subset: 'canary' })).details).toContain('canary is down');
    expect((await failure({ instance: 'canary-dc1' })).details).toContain('canary is down');
    world.server('stable-dc2').behave({ code: grpc.status.UNAVAILABLE, details: 'dc2 is down' });
    expect((await failure({ datacenter: 'dc2' })).details).toContain('dc2 is down');
    expect(world.server('stable-dc1').calls).toBe(0);
  });

  it.each<[ForceSelector, string]>([
    [{ subset: 'canray', strict: false }, 'stable-dc1'],
    [{ datacenter: 'dc9', strict: false }, 'stable-dc1'],
    [{ instance: 'nobody', strict: false }, 'stable-dc1'],
    [{ endpoint: '127.0.0.1:1', strict: false }, 'stable-dc1'],
    [{ subset: 'canary', strict: false }, 'canary-dc1'],
    [{ datacenter: 'dc2', strict: false }, 'stable-dc2'],
    [{ instance: 'canary-dc2', strict: false }, 'canary-dc2'],
  ])('%o goes where it can, else where the call would have gone', async (force, expected) => {
    expect(await servedBy(force)).toBe(expected);
  });

  it('not strict lets the fallback serve when its subset fails', async () => {
    for (const name of ['canary-dc1', 'canary-dc2']) {
      world.server(name).behave({ code: grpc.status.UNAVAILABLE });
    }
    // Ten calls at once, two retries each.
    graylane.setPolicy('payments', { ...policy, retry: { maxAttempts: 3 }, retryBudget: { minPerSecond: 2 } });
    expect(await servedBy({ subset: 'canary', strict: false })).toBe('stable-dc1');
  });

  it('shows in explain and in the report, and says by whom', async () => {
    const force = { subset: 'canary' };
    await charge(client);
    const explained = graylane.explain('payments', { method: CHARGE, force });
    expect(explained.routing.decision).toMatchObject({ by: 'force', subset: 'canary', strict: true, force });
    expect(explained.tiers.map(({ subset, datacenter }) => `${subset} ${datacenter}`)).toEqual([
      'canary dc1',
      'canary dc2',
    ]);
    const reports: CallReport[] = [];
    await graylane.with({ force, observe: (report) => reports.push(report) }, () => charge(client));
    expect(reports[0]?.decision).toMatchObject({ by: 'force', subset: 'canary' });
  });

  it('leaves nothing of itself on the wire, nor does a sticky key or an observer', async () => {
    const seen: string[][] = [];
    const server = new grpc.Server();
    server.addService(Payments.service, {
      charge(call: grpc.ServerUnaryCall<unknown, unknown>, callback: grpc.sendUnaryData<unknown>) {
        seen.push(Object.keys(call.metadata.getMap()).sort());
        callback(null, {});
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    closing(server, (one) => one.forceShutdown());
    graylane.setInstances('payments', [
      { id: 'only', address: '127.0.0.1', port, tags: ['stable'], datacenter: 'dc1' },
    ]);
    const plain = paymentsClient(`127.0.0.1:${port}`);
    closing(plain, (one) => one.close());
    await charge(plain);
    await graylane.with({ force: { instance: 'only' }, stickyKey: 'u-42', retry: false, observe: () => {} }, () =>
      charge(client),
    );
    expect(seen).toHaveLength(2);
    expect(seen[1]).toEqual(seen[0]);
  });
});

describe('stickyKey', () => {
  it('stands for the label that a split sticks by', async () => {
    graylane.setPolicy('payments', {
      ...policy,
      routes: [
        {
          name: 'everyone',
          split: graySplit(50),
          stickBy: 'x-user-id',
        },
      ],
    });
    const by = async (scope: { stickyKey?: string; labels?: Record<string, string> }): Promise<string[]> => {
      const replies = await Promise.all(Array.from({ length: 20 }, () => graylane.with(scope, () => charge(client))));
      return [...new Set(replies.map((reply) => reply.version))].sort();
    };
    expect(await by({})).toEqual(['canary', 'stable']);
    const versions = new Set<string>();
    for (let user = 0; user < 20; user += 1) {
      const byKey = await by({ stickyKey: `u-${user}` });
      expect(byKey).toHaveLength(1);
      expect(await by({ labels: { 'x-user-id': `u-${user}` } })).toEqual(byKey);
      versions.add(byKey[0] as string);
    }
    expect(versions).toEqual(new Set(['stable', 'canary']));
  });
});
