import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { fakeService } from '../../../../src/client/testing/fake-service';
import type { CallReport } from '../../../../src/index';
import { closeAfterEach } from '../../../support/closers';
import { charge, Payments, type PaymentsServer } from '../../../support/payments';
import { type MirrorWorld, mirrorWorld } from './mirror-world';

const opened = closeAfterEach();
const CALLS = 200;

interface Illness {
  readonly begin: (canary: PaymentsServer) => void;
  /** Where the canary listens; default: where it does. */
  readonly port?: number;
  /** What the copies come to; undefined: some are out, and the others were dropped. */
  readonly code?: grpc.status;
}

/** Of the mirror. */
const ILLNESSES: Readonly<Record<string, Illness>> = {
  hangs: { begin: (canary) => canary.behave({ delayMs: 600_000 }) },
  'fails each copy': {
    begin: (canary) => canary.behave({ code: grpc.status.UNAVAILABLE }),
    code: grpc.status.UNAVAILABLE,
  },
  throws: { begin: (canary) => canary.behave({ code: grpc.status.INTERNAL }), code: grpc.status.INTERNAL },
  'turns copies away': {
    begin: (canary) => canary.behave({ code: grpc.status.RESOURCE_EXHAUSTED }),
    code: grpc.status.RESOURCE_EXHAUSTED,
  },
  'is slow': { begin: (canary) => canary.behave({ delayMs: 500 }), code: grpc.status.OK },
  'is not there': { begin: () => {}, port: 1, code: grpc.status.UNAVAILABLE },
  dies: { begin: (canary) => canary.kill(), code: grpc.status.UNAVAILABLE },
};

/** Everything that is learned from calls, or told of them. */
async function learnt({ graylane, metering }: MirrorWorld, reports: readonly CallReport[]) {
  const [service] = graylane.inspect().services;
  const collected = await metering.collect();
  const canary = service?.endpoints.find(({ subsets }) => subsets.includes('canary'));
  return {
    calls: service?.retryBudget.calls,
    retries: service?.retryBudget.retries,
    breakers: service?.breakers.map(({ key, state, counts }) => ({ key, state, ...counts })),
    limits: service?.limits.map(({ inFlight, refused }) => [inFlight, refused]),
    outlier: canary?.outlier,
    isDeprioritized: canary?.isDeprioritized,
    attempts: collected.sum('graylane.attempts'),
    picks: collected.sum('graylane.picks', { 'graylane.subset': 'canary' }),
    durations: collected.sum('rpc.client.call.duration', { 'rpc.status_code': 'OK' }),
    reported: new Set(reports.map(({ attempts, code, details }) => `${attempts.length} ${code} ${details}`)),
  };
}

describe.each(Object.entries(ILLNESSES))('a mirror that %s', (_, { begin, port, code }) => {
  it('changes no call, and nothing that is learned from calls', { timeout: 120_000 }, async () => {
    const world = await mirrorWorld(
      opened,
      { maxInFlight: 50, compare: true },
      {
        policy: {
          subsets: {
            stable: { tags: ['stable'] },
            canary: { tags: ['canary'], fallback: 'stable', limits: { maxInFlight: 60 } },
          },
          retry: {},
        },
        ...(port !== undefined && { canaryPort: port }),
      },
    );
    const { graylane, client, canary, stable, view } = world;
    begin(canary);
    const reports: CallReport[] = [];
    const observe = (report: CallReport): void => void reports.push(report);
    const answers: string[] = [];
    await graylane.with({ observe }, async () => {
      for (let begun = 0; begun < CALLS; begun += 20) {
        const batch = Array.from({ length: 20 }, () => charge(client, { 'x-gray': 'same' }));
        for (const reply of await Promise.all(batch)) answers.push(`${reply.servedBy} ${reply.gray}`);
      }
    });
    expect(answers).toEqual(Array(CALLS).fill('stable same'));
    const { copies = 0, failed = 0, dropped } = view() ?? {};
    if (code === undefined) expect(dropped?.busy).toBeGreaterThan(0);
    else {
      await expect.poll(() => view()?.copies).toBeGreaterThan(CALLS / 20);
      expect(code === grpc.status.OK ? failed : copies - failed).toBe(0);
    }
    expect(await learnt(world, reports)).toEqual({
      calls: CALLS,
      retries: 0,
      // The fallback of the canary has one made.
      breakers: [{ key: 'canary@local', state: 'closed', failures: 0, successes: 0 }],
      limits: [[0, 0]],
      outlier: undefined,
      isDeprioritized: false,
      attempts: CALLS,
      picks: 0,
      durations: CALLS,
      reported: new Set(['1 0 OK']),
    });
    // Second copies, which show what is noise, go to stable as well.
    expect(stable.calls).toBeGreaterThanOrEqual(CALLS);
  });
});

it('that does not read holds up no upload, and loses its copy', async () => {
  const canary = opened(await fakeService(Payments, { upload: () => {} }), (one) => one.stop());
  const { client, stable, view } = await mirrorWorld(opened, {}, { canaryPort: canary.instance.port });
  const message = { order: 'x'.repeat(256 * 1024) };
  const reply = await new Promise<{ count: number }>((resolve, reject) => {
    const call = client.upload(new grpc.Metadata(), (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
    let sent = 0;
    const next = (): void => {
      sent += 1;
      if (sent > 64) call.end();
      else call.write(message, next);
    };
    next();
  });
  expect([reply.count, stable.messages]).toEqual([64, 64]);
  await expect.poll(() => view()).toMatchObject({ copies: 0, dropped: { size: 1 } });
});

it('gets no request of more than 1 MiB', async () => {
  const { client, canary, view } = await mirrorWorld(opened);
  const reply = await new Promise<{ order: string }>((resolve, reject) =>
    client.charge({ order: 'x'.repeat(2 ** 20) }, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    ),
  );
  expect(reply.order).toHaveLength(2 ** 20);
  await expect.poll(() => view()?.dropped).toMatchObject({ size: 1 });
  expect(canary.calls).toBe(0);
});
