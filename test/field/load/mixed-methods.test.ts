import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { fleets } from './fleet';

const open = fleets();

/** H3: what is usual of one method says nothing of another. */
it('a mix of quick and slow methods makes no endpoint look slow', async () => {
  const fleet = await open({ behaviours: [{}, {}, {}] });
  await Promise.all([fleet.load(1_000, 5), fleet.load(1_000, 50, 'report')]);
  const [quick, slow] = await Promise.all([fleet.load(5_000, 5), fleet.load(5_000, 50, 'report')]);
  const shares = fleet.servers.map(({ name }) => ((quick.get(name) ?? 0) * 3) / sum(quick));
  printFact('shares of quick calls beside slow ones, of 1', shares.map((share) => share.toFixed(2)).join(', '));
  // 10 % in simulated time: test/unit/client/balancer/pickers/mixed-methods.test.ts. Here servers and tests share the machine.
  for (const share of shares) expect(Math.abs(share - 1)).toBeLessThan(0.4);
  expect(slow.get('failed')).toBeUndefined();
  const methods = fleet.graylane.inspect().services[0]?.methods ?? [];
  expect(methods.map(({ method }) => method)).toEqual(['/field.Load/Get', '/field.Load/Report']);
  expect(methods[1]?.usualMs).toBeGreaterThan(590);
});

it('long polls make nobody suspect once their method is known', async () => {
  const fleet = await open({ behaviours: [{ reportMs: 1_500 }, { reportMs: 1_500 }, { reportMs: 1_500 }] });
  await Promise.all([fleet.call('report'), fleet.load(1_600, 5)]);
  const polls = [fleet.call('report'), fleet.call('report')];
  const suspects: number[] = [];
  const watch = setInterval(() => {
    suspects.push(fleet.graylane.inspect().services[0]?.endpoints.filter(({ isSuspect }) => isSuspect).length ?? 0);
  }, 20);
  const counts = await fleet.load(1_200, 5);
  clearInterval(watch);
  await Promise.all(polls);
  expect(Math.max(...suspects)).toBe(0);
  // A suspect gets next to nothing.
  for (const { name } of fleet.servers) expect((counts.get(name) ?? 0) * 3).toBeGreaterThan(0.4 * sum(counts));
});

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((a, b) => a + b, 0);
}
