import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger';
import { createGraylane } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { paymentsClient } from '../support/payments';
import { type ServerProcess, startServerProcess } from '../support/server-process';
import { untilConnected } from '../support/until-ready';
import { startedBetween, startLoad } from './fixtures/load';

/** One answer that is far too late used to keep calls away for 46 s. */
const WATCHED_MS = 4_000;

const opened = closeAfterEach();

async function serve(...names: string[]): Promise<ServerProcess> {
  return opened(await startServerProcess({ names }), (each) => each.kill());
}

interface Pause {
  readonly perSecond: number;
  readonly pauseMs: number;
  readonly deadlineMs: number;
  /** Calls before the pause; none: the first of all meet it. */
  readonly warmUpMs: number;
}

describe('one of three that pauses, as for a garbage collection', () => {
  it.each<[string, Pause]>([
    ['with many calls under way', { perSecond: 600, pauseMs: 300, deadlineMs: 5_000, warmUpMs: 1_500 }],
    ['for a second', { perSecond: 300, pauseMs: 1_000, deadlineMs: 5_000, warmUpMs: 1_500 }],
    ['with a call that ends by its deadline', { perSecond: 50, pauseMs: 500, deadlineMs: 250, warmUpMs: 1_500 }],
    ['with its first calls', { perSecond: 100, pauseMs: 800, deadlineMs: 5_000, warmUpMs: 0 }],
  ])('has its share again when it answers: %s', async (name, { perSecond, pauseMs, deadlineMs, warmUpMs }) => {
    const victim = await serve('victim');
    const others = await serve('s1', 's2');
    const served = [...victim.instances, ...others.instances];
    const payments = served.map(({ host: address, port, name: id }) => ({ address, port, id }));
    const graylane = opened(createGraylane({ instances: { payments }, logger: silentLogger }), (one) => one.close());
    const options = graylane.clientOptions();
    const client = opened(paymentsClient(graylane.target('payments'), options), (one) => one.close());
    await Promise.all([untilConnected(graylane, 3), graylane.ready('payments')]);
    const load = startLoad(client, perSecond, deadlineMs);
    await pause(warmUpMs);
    victim.freeze();
    await pause(pauseMs);
    victim.thaw();
    const thawedMs = performance.now();
    await pause(WATCHED_MS);
    await load.stop();
    const since = startedBetween(load.calls, thawedMs, thawedMs + WATCHED_MS);
    const share = (3 * since.filter(({ servedBy }) => servedBy === 'victim').length) / since.length;
    printFact(`a pause of ${pauseMs} ms, ${name}`, `${share.toFixed(2)} of its share since, lost ${load.lost.length}`);
    expect(share).toBeGreaterThan(0.5);
  });
});
