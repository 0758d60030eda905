import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { graylaneWork, load, workServers } from './world';

const serving = workServers();
const open = graylaneWork();

it('who turns calls away gets no more of them while nobody knows yet how long a call takes', {
  timeout: 30_000,
}, async () => {
  const takes = { takesMs: 1_500, isEven: true };
  const servers = await serving([{ ...takes, limit: 3 }, takes, takes]);
  const { work, graylane } = await open(servers.map(({ port }) => port));
  // All of these begin before the first answer.
  const { calls } = await load(work, [{ perSecond: 50, forMs: 1_400 }]);
  const attempts = servers.map((server) => server.attempts);
  printFact(
    'one of three turns away all but three calls, from the first call on',
    `attempts at each ${attempts.join(', ')}`,
  );
  expect(attempts.reduce((sum, count) => sum + count, 0)).toBe(calls[0]);
  expect(attempts[0]).toBeLessThan(0.5 * (calls[0] ?? 0));
  expect(graylane.inspect().services[0]?.endpoints.map((each) => each.breaker?.state ?? 'closed')).toEqual([
    'closed',
    'closed',
    'closed',
  ]);
});
