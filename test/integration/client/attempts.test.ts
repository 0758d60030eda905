import * as grpc from '@grpc/grpc-js';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type CallReport,
  createGraylane,
  type Graylane,
  type PolicyDocument,
  type StaticInstance,
} from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { type Door, startDoor } from '../../support/door';
import {
  type Behaviour,
  charge,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { untilConnected } from '../../support/until-ready';

const closing = closeAfterEach();
let servers: PaymentsServer[];

beforeEach(async () => {
  servers = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => closing(await startPaymentsServer({ name }), (one) => one.kill())),
  );
});

function open(policy: Partial<PolicyDocument> = {}): Graylane {
  const graylane = createGraylane({
    instances: { payments: servers.map(({ name, host, port }) => ({ id: name, address: host, port })) },
    policies: { payments: { schema: 1, service: 'payments', ...policy } },
  });
  return closing(graylane, (opened) => opened.close());
}

/** The report of one call whatever became of it. */
async function report(
  graylane: Graylane,
  scope: { retry?: false } = {},
  channelOptions: grpc.ClientOptions = {},
  options?: grpc.CallOptions,
): Promise<CallReport> {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions(channelOptions));
  await graylane.ready('payments');
  // All three, so that a retry has somewhere to go.
  await untilConnected(graylane);
  const reports: CallReport[] = [];
  const observe = (one: CallReport): void => void reports.push(one);
  await graylane.with({ ...scope, observe }, () => charge(client, {}, options)).catch(() => {});
  client.close();
  expect(reports).toHaveLength(1);
  return reports[0] as CallReport;
}

function allAnswer(code: grpc.status): void {
  for (const server of servers) server.behave({ code });
}

const calls = (): number => servers.reduce((sum, server) => sum + server.calls, 0);

describe('attempts of a call', () => {
  it('go to another instance each after UNAVAILABLE, as many as the policy allows', async () => {
    allAnswer(grpc.status.UNAVAILABLE);
    const graylane = open({ retry: { maxAttempts: 3, initialBackoffMs: 5 } });
    const { attempts, code } = await report(graylane);
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(attempts.map((attempt) => attempt.instance).sort()).toEqual(['a', 'b', 'c']);
    expect(calls()).toBe(3);
  });

  it('are two where the policy allows retries and gives no number, and save the call', async () => {
    const graylane = open({ retry: {}, balancing: { algorithm: 'round_robin' } });
    servers[0]?.behave({ code: grpc.status.UNAVAILABLE });
    servers[1]?.behave({ code: grpc.status.UNAVAILABLE });
    for (let round = 0; round < 3; round += 1) {
      const { attempts, code } = await report(graylane);
      expect(attempts.length).toBeLessThanOrEqual(2);
      expect(code).toBe(attempts.at(-1)?.instance === 'c' ? grpc.status.OK : grpc.status.UNAVAILABLE);
    }
  });

  it('begin again at the least recently tried when there are more of them than instances', async () => {
    allAnswer(grpc.status.UNAVAILABLE);
    const { attempts } = await report(open({ retry: { maxAttempts: 5, initialBackoffMs: 2, maxBackoffMs: 5 } }));
    const instances = attempts.map((attempt) => attempt.instance);
    expect(new Set(instances.slice(0, 3)).size).toBe(3);
    expect(instances.slice(3)).toEqual(instances.slice(0, 2));
  });

  it.each([grpc.status.INTERNAL, grpc.status.NOT_FOUND, grpc.status.RESOURCE_EXHAUSTED])(
    'are one for a status that is not to be retried (%i)',
    async (code) => {
      allAnswer(code);
      expect((await report(open({ retry: {} }))).attempts.map((attempt) => attempt.code)).toEqual([code]);
    },
  );

  it('are one with retry: false, with retry: off, and when the caller has switched retries off', async () => {
    allAnswer(grpc.status.UNAVAILABLE);
    const graylane = open({ retry: { maxAttempts: 3, initialBackoffMs: 5 } });
    expect((await report(graylane, { retry: false })).attempts).toHaveLength(1);
    expect((await report(graylane, {}, { 'grpc.enable_retries': 0 })).attempts).toHaveLength(1);
    expect((await report(open({ retry: 'off' }))).attempts).toHaveLength(1);
    expect(calls()).toBe(3);
  });

  it('are one with retry: false also for a call made before anything was known', async () => {
    allAnswer(grpc.status.UNAVAILABLE);
    const graylane = open({ retry: { maxAttempts: 3, initialBackoffMs: 5 } });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await expect(graylane.with({ retry: false }, () => charge(client))).rejects.toMatchObject({ code: 14 });
    expect(calls()).toBe(1);
  });
});

describe('the last attempt of a call', () => {
  it('goes to another datacenter where this one has just lost most of its instances', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const local = await Promise.all(
      names.map(async (name) => closing(await startPaymentsServer({ name }), (one) => one.kill())),
    );
    const [remote] = servers;
    const listed = (at: readonly PaymentsServer[]): StaticInstance[] => [
      ...at.map(({ name, host, port }) => ({ id: name, address: host, port, datacenter: 'dc1' })),
      ...(remote === undefined ? [] : [{ id: 'remote', address: remote.host, port: remote.port, datacenter: 'dc2' }]),
    ];
    const graylane = closing(
      createGraylane({
        instances: { payments: listed(local) },
        datacenters: ['dc1', 'dc2'],
        policies: {
          payments: {
            schema: 1,
            service: 'payments',
            retry: {},
            breaker: { enabled: false },
            retryBudget: { percent: 100 },
          },
        },
      }),
      (opened) => opened.close(),
    );
    expect((await report(graylane)).attempts.map(({ datacenter }) => datacenter)).toEqual(['dc1']);
    // Four are gone; the two that are left break off every call, as if they were about to go.
    const left = local.slice(4);
    for (const server of left) server.behave({ code: grpc.status.UNAVAILABLE });
    graylane.setInstances('payments', listed(left));
    await expect.poll(() => graylane.inspect().services[0]?.endpoints.length).toBe(3);
    const reports: CallReport[] = [];
    const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (opened) =>
      opened.close(),
    );
    for (let call = 0; call < 40; call += 1) {
      await graylane.with({ observe: (one) => reports.push(one) }, () => charge(client)).catch(() => {});
    }
    const retried = reports.filter(({ attempts }) => attempts.length > 1);
    expect(retried.length).toBeGreaterThan(5);
    expect(retried.map(({ attempts }) => attempts.at(-1)?.datacenter)).toEqual(retried.map(() => 'dc2'));
    expect(reports.filter(({ code }) => code !== grpc.status.OK)).toEqual([]);
  });
});

describe('where the last attempt begins when six local instances are well', () => {
  const start = async (name: string): Promise<PaymentsServer> =>
    closing(await startPaymentsServer({ name }), (one) => one.kill());
  const behindDoor = async (server: PaymentsServer): Promise<Door> => {
    const door = closing(await startDoor(() => server.port), (one) => one.stop());
    door.open();
    return door;
  };

  /** Where one call goes while the local ones do so; `fail` gets the door of who has its first attempt. */
  async function datacenters(
    behaviour: Behaviour,
    fail: (door: Door) => void = () => {},
  ): Promise<readonly (string | undefined)[]> {
    const local = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(start));
    for (const server of local) server.behave(behaviour);
    const doors = await Promise.all(local.map(behindDoor));
    const { port } = await start('remote');
    const graylane = createGraylane({
      instances: {
        payments: [
          ...doors.map((door) => ({ address: '127.0.0.1', port: door.port, datacenter: 'dc1' })),
          { address: '127.0.0.1', port, datacenter: 'dc2' },
        ],
      },
      datacenters: ['dc1', 'dc2'],
      policies: { payments: { schema: 1, service: 'payments', retry: {}, attemptTimeoutMs: 400 } },
    });
    closing(graylane, (opened) => opened.close());
    const called = report(graylane);
    await expect.poll(() => local.findIndex(({ calls }) => calls > 0)).toBeGreaterThanOrEqual(0);
    fail(doors[local.findIndex(({ calls }) => calls > 0)] as Door);
    return (await called).attempts.map(({ datacenter }) => datacenter);
  }

  it('next door when the connection broke: the whole datacenter may be going', async () => {
    expect(await datacenters({ delayMs: 5_000 }, (door) => door.cut())).toEqual(['dc1', 'dc2']);
  });

  it('next door when no answer came in the time of an attempt', async () => {
    expect(await datacenters({ delayMs: 5_000 })).toEqual(['dc1', 'dc2']);
  });

  it('here when the server has answered with a failure: it is the request, or one instance', async () => {
    expect(await datacenters({ code: grpc.status.UNAVAILABLE })).toEqual(['dc1', 'dc1']);
  });
});

describe('timeoutMs of a policy', () => {
  const timed = async (graylane: Graylane, deadlineMs: number | undefined): Promise<number> => {
    for (const server of servers) server.behave({ delayMs: 4_000 });
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    const { code, durationMs } = await report(graylane, {}, {}, options);
    expect(code).toBe(grpc.status.DEADLINE_EXCEEDED);
    return durationMs;
  };

  it("shortens the caller's deadline, or gives one to a call that has none", async () => {
    const within = async (deadlineMs: number | undefined): Promise<void> => {
      const durationMs = await timed(open({ timeoutMs: 200 }), deadlineMs);
      expect(durationMs).toBeGreaterThan(150);
      expect(durationMs).toBeLessThan(3_000);
    };
    await within(10_000);
    await within(undefined);
  });

  it('never lengthens it', async () => {
    expect(await timed(open({ timeoutMs: 5_000 }), 300)).toBeLessThan(3_000);
  });

  it('holds for a call made before anything was known', async () => {
    for (const server of servers) server.behave({ delayMs: 4_000 });
    const graylane = open({ timeoutMs: 200 });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const beganAtMs = performance.now();
    const error = await charge(client, {}, { deadline: Date.now() + 10_000 }).catch(
      (failed: grpc.ServiceError) => failed,
    );
    expect(error).toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
    expect(performance.now() - beganAtMs).toBeLessThan(3_000);
    await pause(0);
  });
});
