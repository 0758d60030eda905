import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RolloutDocument } from '../../../../src/ops/rollout/document';
import type { RolloutProgress } from '../../../../src/ops/rollout/progress';
import { startRecordingProxy } from '../../../support/consul/recording-proxy';
import { printFact } from '../../../support/figure';
import { rolloutWorld } from '../rollout-world';
import { type Controller, quickly, serve, startCaller, startController } from './figures-world';

const world = rolloutWorld();
const steps: RolloutDocument['steps'] = [{ setWeight: 30 }, { analysis: {} }, { setWeight: 60 }, { analysis: {} }];
/** Watches in the background until somebody resumes: its window stays open. */
const held: RolloutDocument['steps'] = [{ setWeight: 30 }, { pause: {} }];
const watching = quickly({ background: true, checks: [{ check: 'request-success-rate', threshold: 90 }] });

async function openWindow(service: string): Promise<RolloutProgress> {
  await expect.poll(async () => (await world.record(service)).progress.window?.kind, { timeout: 5000 }).toBeDefined();
  return (await world.record(service)).progress;
}

/** As Prometheus would read them: the whole of `/metrics`. */
async function metrics(address: string): Promise<string> {
  return (await fetch(`${address}/metrics`)).text();
}

describe('a rollout without a provider', { timeout: 30_000 }, () => {
  it('reaches 100 % on what its clients report', async () => {
    await serve(world, 'healthy');
    const checks = [...(quickly().checks ?? []), { check: 'request-duration', quantile: 'p50', factor: 10 } as const];
    await world.begin('healthy', { steps, analysis: quickly({ checks }) });
    await startCaller(world, 'healthy');
    const { ended } = await startController(world, 'healthy');
    expect((await ended)?.progress).toMatchObject({ state: { kind: 'completed' }, weight: 100 });
    expect(await world.written('healthy')).toEqual([30, 60, 100]);
    const { transitions } = await world.record('healthy');
    expect(transitions.find(({ event }) => event === 'passed')?.message).toMatch(
      /canary failed 0 of \d+ .*; closed in every client; canary p50 /,
    );
  });

  it('whose canary fails is taken back on what they report', async () => {
    const { canary } = await serve(world, 'failing');
    await world.begin('failing', { steps, analysis: quickly({ checks: [{ check: 'request-success-rate' }] }) });
    await startCaller(world, 'failing');
    canary.behave({ code: status.UNAVAILABLE, every: 5 });
    const { ended } = await startController(world, 'failing');
    expect((await ended)?.progress.state).toMatchObject({
      ...{ kind: 'aborted', why: 'analysis' },
      message: expect.stringMatching(/^request-success-rate: canary failed \d+ of \d+ \(.* %\), stable 0 of \d/),
    });
    expect(await world.written('failing')).toEqual([30, 0]);
  });

  it('whose canary is slow is taken back on what they report', async () => {
    const { canary } = await serve(world, 'slow');
    const checks = [{ check: 'request-duration', quantile: 'p50', factor: 3 }] as const;
    await world.begin('slow', { steps, analysis: quickly({ checks }) });
    await startCaller(world, 'slow');
    canary.behave({ delayMs: 150 });
    const { ended } = await startController(world, 'slow');
    expect((await ended)?.progress.state).toMatchObject({
      ...{ kind: 'aborted', why: 'analysis' },
      message: expect.stringMatching(/^request-duration p50: canary p50 1[3-9]\d ms, stable [\d.]+ ms; /),
    });
  });

  it.each([
    ['are those of stable', 'alike', ['served_by', 'version', 'tag'], { kind: 'completed' }],
    ['differ', 'other', [], { kind: 'aborted', why: 'analysis' }],
  ] as const)(
    'whose answers to copies %s is judged by them, before it has a call',
    async (_, service, ignore, state) => {
      await serve(world, service);
      const compared: RolloutDocument['steps'] = [
        { setMirror: { percent: 100, compare: { ignore } } },
        { analysis: {} },
        { setWeight: 30 },
      ];
      await world.begin(service, {
        steps: compared,
        analysis: quickly({ checks: [{ check: 'mirror-compare', maximum: 1 }] }),
      });
      await startCaller(world, service);
      const { ended } = await startController(world, service);
      expect((await ended)?.progress.state).toMatchObject(state);
      const { transitions } = await world.record(service);
      expect(transitions.map(({ message }) => message).join('; ')).toMatch(/\d+ of [\d,]+ compared answers differ/);
    },
  );

  it('says so when no client reports, and waits for a person after the errors that it may have', async () => {
    await serve(world, 'silent');
    await world.begin('silent', { steps, analysis: quickly({ consecutiveErrorLimit: 0 }) });
    await startCaller(world, 'silent', { reportRolloutMetrics: false });
    const { address } = await startController(world, 'silent');
    const state = async () => (await world.record('silent')).progress.state;
    await expect.poll(async () => (await state()).kind, { timeout: 10_000 }).toBe('inconclusive');
    expect(await state()).toMatchObject({
      message: expect.stringMatching(
        /no figures 1 times in a row: .*clients: none has reported .*reportRolloutMetrics: true/,
      ),
    });
    expect(await metrics(address)).toContain('graylane_rollout_paused{graylane_service="silent"} 1\n');
  });
});

describe('what clients report', { timeout: 30_000 }, () => {
  it('adds up to what they counted, to the call, also under the controller after the one that died', async () => {
    const service = 'counted';
    const { canary } = await serve(world, service);
    await world.begin(service, { steps: held, analysis: watching });
    const first = await startController(world, service);
    const before = await openWindow(service);
    const callers = await Promise.all([1, 2, 3].map(() => startCaller(world, service, { perSecond: 0 })));
    await expect
      .poll(() => metrics(first.address), { timeout: 8000 })
      .toContain(`graylane_rollout_clients{graylane_service="${service}"} 3\n`);
    canary.behave({ code: status.UNAVAILABLE, every: 5 });
    const sum = { stable: { calls: 0, failures: 0 }, canary: { calls: 0, failures: 0 } };
    for (const { run, counted } of callers) {
      await run(200);
      for (const subset of ['stable', 'canary'] as const) {
        sum[subset].calls += counted[subset].calls;
        sum[subset].failures += counted[subset].failures;
      }
    }
    expect(sum.canary.failures).toBeGreaterThan(5);
    const request = { service, canary: 'canary', stable: 'stable', sinceMs: 0, nowMs: 0 };
    /** What ends while this process stands still says nothing, and is counted apart. */
    const measured = async ({ collecting }: Controller, progress: RolloutProgress) => {
      const { canary: ofCanary, stable: ofStable } = await collecting.measure(progress, request);
      const { calls = 0, neutral = 0, failures = 0, openBreakers, fallbacks } = ofCanary ?? {};
      return {
        stable: (ofStable?.calls ?? 0) + (ofStable?.neutral ?? 0),
        canary: calls + neutral,
        isAllFailures: failures <= sum.canary.failures && failures + neutral >= sum.canary.failures,
        ...{ openBreakers, fallbacks },
      };
    };
    const all = {
      ...{ stable: sum.stable.calls, canary: sum.canary.calls, isAllFailures: true },
      ...{ openBreakers: 0, fallbacks: 0 },
    };
    await expect.poll(() => measured(first, before), { timeout: 8000 }).toEqual(all);
    await first.die();
    const second = await startController(world, service);
    const after = await openWindow(service);
    expect([after.id, after.windows]).toEqual([before.id, before.windows]);
    // Its first measurement already holds all of it, though it begins before anybody was told of this controller.
    expect(await measured(second, after)).toEqual(all);
    printFact('figures of 3 clients after their controller died', `${sum.stable.calls + sum.canary.calls} calls, all`);
  });

  it('costs Consul one query a client and service, one for trials, and no write; off, nothing is asked and nothing sent', async () => {
    const service = 'watched';
    await serve(world, service);
    await world.begin(service, { steps: held, analysis: watching });
    const { address } = await startController(world, service);
    await openWindow(service);
    const start = async (reportRolloutMetrics: boolean) => {
      const proxy = await startRecordingProxy(world.consul.dc('dc1').address);
      onTestFinished(() => proxy.stop());
      await startCaller(world, service, { address: proxy.address, reportRolloutMetrics });
      return proxy;
    };
    const [off, on] = await Promise.all([start(false), start(true)]);
    await expect
      .poll(() => metrics(address), { timeout: 8000 })
      .toContain(`graylane_rollout_clients{graylane_service="${service}"} 1\n`);
    const isOurs = (path: string): boolean => path.includes('collector');
    expect(on.openPaths().filter(isOurs)).toHaveLength(1);
    // The first read, and the query that is open.
    expect(on.paths.filter(isOurs)).toHaveLength(2);
    expect(on.writes).toEqual([]);
    expect(off.paths.filter(isOurs)).toEqual([]);
    expect(on.openPaths().filter((path) => path.includes('candidates'))).toHaveLength(1);
    expect(off.openPaths()).toHaveLength(on.openPaths().length - 2);
  });
});
