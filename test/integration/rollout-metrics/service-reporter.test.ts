import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Logger } from '../../../src/base/logger';
import type { RolloutMetricsReport } from '../../../src/base/rollout-metrics';
import type { AttemptListener } from '../../../src/client/balancer/context';
import type { Outcome } from '../../../src/client/breaker/outcome';
import type { CurrentAnnouncement } from '../../../src/client/rollout-metrics/announcement-watch';
import { createReportSender } from '../../../src/client/rollout-metrics/report-sender';
import { ServiceReporter } from '../../../src/client/rollout-metrics/service-reporter';
import { FakeClock } from '../../../src/client/testing/fake-clock';
import { closeAfterEach } from '../../support/closers';
import { runScript } from '../../support/run-script';
import { type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';

const opened = closeAfterEach();
const KEY = 'secret-key-of-this-controller';

interface Bench {
  readonly clock: FakeClock;
  readonly attemptListeners: Set<AttemptListener>;
  readonly reporter: ServiceReporter;
  /** The controller, scripted: 204 unless told otherwise. */
  readonly server: ScriptedConsul;
  readonly reports: () => readonly RolloutMetricsReport[];
  readonly logged: readonly string[];
  heard(window: string | undefined, change?: { readonly isHeld?: boolean; readonly url?: string }): CurrentAnnouncement;
  /** Moves the clock, and waits for this report to have come. */
  until(reports: number, advanceMs?: number): Promise<void>;
}

function attemptEnded(
  listeners: Iterable<AttemptListener>,
  ...[wanted, served, outcome, latencyMs]: [string, string, Outcome, number]
) {
  for (const listener of listeners) listener.attemptEnded(wanted, served, outcome, latencyMs, 'dc1', 0);
}

async function bench(random = 0.5): Promise<Bench> {
  const server = opened(await startScriptedConsul(), (each) => each.stop());
  server.answer((_, response) => response.writeHead(204).end());
  const clock = new FakeClock();
  const logged: string[] = [];
  const log = (message: string, fields?: object): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const sender = opened(createReportSender(), (each) => each.close());
  const reporter = new ServiceReporter({ service: 'payments', clock, random: () => random, logger, sender });
  const attemptListeners = new Set<AttemptListener>();
  reporter.add({ attemptListeners, isShed: () => false });
  return {
    ...{ clock, attemptListeners, reporter, server, logged },
    reports: () => server.requests.map(({ body }) => JSON.parse(body) as RolloutMetricsReport),
    heard: (id, { isHeld = true, url = server.address } = {}) => {
      const window = id === undefined ? undefined : { id, canary: 'canary', stable: 'stable', everyMs: 5000 };
      return { announcement: { url, key: KEY, window }, isHeld };
    },
    async until(reports, advanceMs = 0) {
      clock.advance(advanceMs);
      await expect.poll(() => server.requests.length).toBe(reports);
      // Its answer has come back, too.
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
}

describe('a reporter', () => {
  it('counts from when it hears, reports at its phase and then every interval, with the key in the header alone', async () => {
    const { attemptListeners, reporter, heard, until, reports, server } = await bench();
    expect(attemptListeners.size === 0).toBe(true);
    reporter.announce(heard('w1'));
    attemptEnded(attemptListeners, 'canary', 'canary', 'failure', 5);
    await until(0, 2499);
    await until(1, 1);
    attemptEnded(attemptListeners, 'canary', 'canary', 'success', 5);
    await until(1, 4999);
    await until(2, 1);
    await until(3, 5000);
    expect(reports().map(({ number, canary: { calls, failures } }) => [number, calls, failures])).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [3, 2, 1],
    ]);
    const [first] = server.requests;
    expect([first?.method, first?.path, first?.authorization]).toEqual(['POST', '/figures/payments', `Bearer ${KEY}`]);
    expect(server.requests.map(({ body, path }) => body + path).join()).not.toContain(KEY);
  });

  it('begins anew with another window, goes on with the same one for another controller, and stops without one', async () => {
    const { attemptListeners, reporter, heard, until, reports, clock } = await bench();
    reporter.announce(heard('w1'));
    attemptEnded(attemptListeners, 'canary', 'canary', 'success', 5);
    await until(1, 2500);
    const other = opened(await startScriptedConsul(), (each) => each.stop());
    other.answer((_, response) => response.writeHead(204).end());
    reporter.announce(heard('w1', { url: other.address }));
    clock.advance(2500);
    await expect.poll(() => other.requests.length).toBe(1);
    expect(JSON.parse(other.requests[0]?.body ?? '')).toMatchObject({
      client: reports()[0]?.client,
      canary: { calls: 1 },
    });
    reporter.announce(heard('w2'));
    await until(2, 2500);
    expect(reports()[1]).toMatchObject({ window: 'w2', number: 1, canary: { calls: 0 } });
    expect(reports()[1]?.client).not.toBe(reports()[0]?.client);
    reporter.announce(heard(undefined));
    expect([attemptListeners.size === 0, clock.pending]).toEqual([true, 0]);
    reporter.announce(heard('w3'));
    reporter.announce(undefined);
    expect([attemptListeners.size === 0, clock.pending]).toEqual([true, 0]);
  });

  it('goes on counting for ten minutes when its controller has gone, and sends nothing', async () => {
    const { attemptListeners, reporter, heard, until, reports, clock } = await bench();
    reporter.announce(heard('w1', { isHeld: false }));
    expect(attemptListeners.size === 0).toBe(true);
    reporter.announce(heard('w1'));
    await until(1, 2500);
    reporter.announce(heard('w1', { isHeld: false }));
    attemptEnded(attemptListeners, 'canary', 'canary', 'success', 5);
    await until(1, 599_999);
    reporter.announce(heard('w1'));
    await until(2, 2500);
    expect(reports()[1]).toMatchObject({ number: 2, canary: { calls: 1 } });
    reporter.announce(heard('w1', { isHeld: false }));
    clock.advance(600_000);
    expect([attemptListeners.size === 0, clock.pending]).toEqual([true, 0]);
  });

  it.each([401, 409, 410, 404, 400, 413, 302])(
    'sends nothing more to who answers %i, until another announcement',
    async (status) => {
      const { reporter, heard, until, server, logged, clock } = await bench();
      server.answer((_, response) => response.writeHead(status, { location: `${server.address}/elsewhere` }).end('x'));
      reporter.announce(heard('w1'));
      await until(1, 2500);
      await until(1, 60_000);
      expect(server.requests.map(({ path }) => path)).toEqual(['/figures/payments']);
      // Another window or controller is nothing that anybody has to see to.
      expect(logged).toHaveLength([401, 409, 410].includes(status) ? 0 : 1);
      server.answer((_, response) => response.writeHead(204).end());
      reporter.announce(heard('w1'));
      clock.advance(2500);
      await until(2);
    },
  );

  it('tries again at the next interval where it may have been chance, says so once and once that it is over', async () => {
    const { reporter, heard, until, server, logged, reports } = await bench();
    reporter.announce(heard('w1'));
    const answers = [429, 503, 'reset', 204, 204] as const;
    for (const [at, answer] of answers.entries()) {
      server.answer((_, response) => {
        if (answer === 'reset') response.destroy();
        else response.writeHead(answer).end();
      });
      await until(at + 1, at === 0 ? 2500 : 5000);
    }
    expect(reports().map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
    expect(logged).toEqual([
      'rollout metrics could not be reported {"service":"payments","reason":"HTTP 429"}',
      'rollout metrics are reported again {"service":"payments"}',
    ]);
    expect(logged.join()).not.toContain(KEY);
  });

  it('has one report under way at a time, for two seconds at most', { timeout: 10_000 }, async () => {
    const { reporter, heard, until, server, logged } = await bench();
    server.answer(() => {});
    reporter.announce(heard('w1'));
    await until(1, 2500);
    await until(1, 20_000);
    await expect.poll(() => logged, { timeout: 4000 }).toEqual([expect.stringContaining('no answer within 2000 ms')]);
    await until(2, 5000);
  });

  it('sends what is left when it is closed, and waits half a second for it', async () => {
    const { attemptListeners, reporter, heard, server, reports, clock } = await bench();
    reporter.announce(heard('w1'));
    attemptEnded(attemptListeners, 'stable', 'stable', 'success', 5);
    server.answer(() => {});
    const begun = performance.now();
    await reporter.close();
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(reports()).toMatchObject([{ number: 1, stable: { calls: 1 } }]);
    expect([attemptListeners.size === 0, clock.pending]).toEqual([true, 0]);
    await reporter.close();
    expect(reports()).toHaveLength(1);
  });

  it('that is closed does not wait for a report that hangs', async () => {
    const { attemptListeners, reporter, heard, until, server, reports } = await bench();
    server.answer(() => {});
    reporter.announce(heard('w1'));
    await until(1, 2500);
    attemptEnded(attemptListeners, 'stable', 'stable', 'success', 5);
    server.answer((_, response) => response.writeHead(204).end());
    await reporter.close();
    expect(reports()).toMatchObject([{ number: 1 }, { number: 2, stable: { calls: 1 } }]);
  });
});

describe('a report on its way', () => {
  const fixture = join(__dirname, 'fixtures', 'unheard.ts');

  it.each([
    ['keeps no process alive', '0', ''],
    ['that is the last one is waited for', '1', '{"kind":"failed","reason":"no answer within 1500 ms"}'],
  ])('%s', async (_, LAST, printed) => {
    const server = opened(await startScriptedConsul(), (each) => each.stop());
    const { code, stdout } = await runScript(fixture, { URL: server.address, LAST });
    expect([code, stdout]).toEqual([0, printed]);
  });
});
