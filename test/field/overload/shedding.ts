import { describe, expect, it } from 'vitest';
import { spreadOfShares } from '../../support/chance';
import { printFact } from '../../support/figure';
import { type Behaviour, graylaneWork, type Load, load, plainWork, workServers } from './world';

/** Three servers that do 20 calls/s each, and turn away what is above. Few and long calls, so that a busy machine is no part of it. */
const LIMITED: Behaviour = { takesMs: 500, isEven: true, limit: 10 };
const CAPACITY = 60;

export interface Burst {
  /** Of the capacity, before and after. */
  readonly percent: number;
  /** What Graylane's client may try again; the one beside it tries nothing again. */
  readonly retried: readonly string[];
}

/** Of one phase. */
function of({ calls, lost }: Load, phase: number): { readonly made: number; readonly lost: number } {
  return { made: calls[phase] ?? 0, lost: lost[phase] ?? 0 };
}

/** T3: a service that turns calls away as a whole is not made worse, and is as well as before once the load has fallen. */
export function shedding(bursts: readonly Burst[]): void {
  const serving = workServers();
  const openGraylane = graylaneWork();
  const openPlain = plainWork();

  describe('a burst of 3 s at servers that turn away what is above their limit', () => {
    it.each(bursts)('$percent % of capacity, tried again: $retried', { timeout: 60_000 }, async (burst) => {
      const { percent, retried } = burst;
      const [servers, others] = await Promise.all([1, 2].map(() => serving([LIMITED, LIMITED, LIMITED])));
      if (servers === undefined || others === undefined) throw new Error('both are served');
      const policy = retried.length === 0 ? {} : { retry: { retryableStatusCodes: [...retried] as 'UNAVAILABLE'[] } };
      const { work, opened, graylane } = await openGraylane(
        servers.map(({ port }) => port),
        policy,
      );
      const plain = await openPlain(others.map(({ port }) => port));
      const perSecond = (CAPACITY * percent) / 100;
      const phases = [
        { perSecond, forMs: 2_000 },
        { perSecond: 2 * CAPACITY, forMs: 3_000 },
        { perSecond, forMs: 7_000 },
        { perSecond, forMs: 4_000 },
      ];
      const [mine, beside] = await Promise.all([load(work, phases), load(plain, phases)]);
      const lost = ({ calls, lost: failed }: Load): number[] =>
        calls.map((count, phase) => (100 * (failed[phase] ?? 0)) / count);
      const [, during, after, settled] = lost(mine) as [number, number, number, number];
      const [, , afterBeside, settledBeside] = lost(beside) as [number, number, number, number];
      const shares = servers.map(({ attempts }) => attempts);
      printFact(
        `lost after a burst, ${percent} % of capacity, ${retried.join() || 'nothing'} tried again`,
        `${after.toFixed(1)} %, from 7 s on ${settled.toFixed(1)} %; grpc-js ${afterBeside.toFixed(1)} %, ` +
          `${settledBeside.toFixed(1)} %; attempts at each ${shares.join(', ')}; in the burst ${during.toFixed(0)} %`,
      );
      expect(opened).toEqual([]);
      expect(graylane.inspect().services[0]?.endpoints.map((each) => each.breaker?.state ?? 'closed')).toEqual([
        'closed',
        'closed',
        'closed',
      ]);
      // What is turned away is chance where the load comes near the limit. Without one of three servers, a quarter would be.
      expect(after).toBeLessThanOrEqual(afterBeside + 4 + 100 * spreadOfShares(of(mine, 2), of(beside, 2)));
      expect(settled).toBeLessThanOrEqual(settledBeside + 4 + 100 * spreadOfShares(of(mine, 3), of(beside, 3)));
      // Who is turned away goes to another server, which is chance too. A server left out gets next to nothing.
      expect(Math.max(...shares)).toBeLessThan(1.5 * Math.min(...shares));
    });
  });
}
