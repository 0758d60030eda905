import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barBeside, watchBare } from '../../../support/beside';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';
import { quantile } from '../../../support/figure';
import { isLong } from '../../../support/slice';
import { ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

let consul: ConsulCluster;

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
});
afterAll(() => consul.stop());

const FLIPS = isLong ? 20 : 10;
const SPACING_MS = 300;
const PART = 0.9;

/** More than a bare query takes beside; the figures themselves are printed. */
const BOUND_MS = 250;

function report(what: string, times: number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.ceil(share * sorted.length) - 1] ?? 0).toFixed(1);
  console.log(`${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms over ${times.length}`);
}

// Both at once: each flips a service of its own.
describe.concurrent('how fast a change is heard of', () => {
  for (const [where, name] of [
    ['locally', 'dc1'],
    ['in another datacenter', 'dc2'],
  ] as const) {
    it(`register and critical ${where}`, async () => {
      const agent = consul.dc(name);
      const service = `flip-${name}`;
      const bench = openSource({ address: consul.dc('dc1').address }, ['dc1', 'dc2']);
      try {
        const seen = record(bench.source, service);
        await seen.until((state) => state.datacenters.every((one) => one.known));
        const registered: number[] = [];
        const critical: number[] = [];
        const beside: number[] = [];
        const bare = await watchBare(consul.dc('dc1'), `/v1/health/service/${service}?dc=${name}`);
        // From when the agent is told, not from when it has answered that it was.
        const timed = async (tell: () => Promise<void>, wanted: string): Promise<number> => {
          const began = performance.now();
          const heard = bare.next(
            (body) => body.includes(`"${service}"`) && body.includes('critical') === wanted.endsWith(' critical'),
          );
          const told = tell();
          await seen.until((state) => ids(state, name)[0] === wanted);
          const took = performance.now() - began;
          beside.push((await heard) - began);
          await told;
          await new Promise((resolve) => setTimeout(resolve, SPACING_MS));
          return took;
        };
        for (let flip = 0; flip < FLIPS; flip += 1) {
          registered.push(
            await timed(() => agent.register({ name: service, port: 7001, address: '10.0.0.1' }), service),
          );
          critical.push(await timed(() => agent.setStatus(service, 'critical'), `${service} critical`));
          await agent.deregister(service);
          await seen.until((state) => ids(state, name).length === 0);
          await new Promise((resolve) => setTimeout(resolve, SPACING_MS));
        }
        report(`register ${where}`, registered);
        report(`critical ${where}`, critical);
        report(`a bare query beside, ${where}`, beside);
        await bare.stop();
        expect(quantile([...registered, ...critical], PART)).toBeLessThanOrEqual(barBeside(BOUND_MS, beside, PART));
      } finally {
        bench.close();
      }
    }, 90_000);
  }
});
