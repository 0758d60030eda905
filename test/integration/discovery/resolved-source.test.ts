import { promises as dns } from 'node:dns';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SourceState } from '../../../src/base/instances';
import { seededRandom } from '../../../src/base/random';
import { createResolvedSource } from '../../../src/client/discovery/resolved-source';
import { createStaticSource } from '../../../src/client/discovery/static';
import { FakeClock } from '../../../src/client/testing/fake-clock';
import { createGraylane, type StaticInstance } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { freePorts } from '../../support/consul/ports';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

// What the system says of a name cannot be changed without root: Node's own question to it is answered here.
const opened = closeAfterEach();
let records: Record<string, readonly string[]> = {};
const lookup = () =>
  vi.spyOn(dns, 'lookup').mockImplementation((async (name: string) => {
    const addresses = records[name];
    if (addresses === undefined) throw Object.assign(new Error(`ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  }) as never);
afterEach(() => vi.restoreAllMocks());

function watch(instances: readonly StaticInstance[]) {
  const clock = new FakeClock();
  const random = seededRandom(3);
  const inner = createStaticSource({ payments: instances }, {});
  const source = opened(createResolvedSource(inner, { clock, random }), (one) => one.close());
  const states: SourceState[] = [];
  source.watch({ service: 'payments', tags: [] }, (state) => states.push(state));
  const addresses = () => states.at(-1)?.datacenters[0]?.instances.map(({ address }) => address);
  return { clock, inner, states, addresses };
}

describe('host names of instances', () => {
  it('with several addresses: an instance for each, with its part of the weight; looked up again', async () => {
    records = { 'pay.internal': ['10.0.0.2', '10.0.0.1', 'fd00::1'], one: ['10.0.0.7'] };
    const asked = lookup();
    const world = watch([
      { id: 'pay', address: 'pay.internal', port: 80, weight: 6 },
      { id: 'ip', address: '10.0.0.9', port: 80 },
      { id: 'one', address: 'one', port: 80 },
      { id: 'typo', address: 'no.such', port: 80 },
    ]);
    await expect.poll(world.addresses).toEqual(['10.0.0.9', 'one', '10.0.0.1', '10.0.0.2', 'no.such']);
    const first = world.states.at(-1)?.datacenters[0]?.instances ?? [];
    expect(first.slice(2, 4)).toMatchObject([
      { id: 'pay', key: expect.stringMatching(/#10\.0\.0\.1$/), weight: 3 },
      { id: 'pay', weight: 3 },
    ]);
    records = { 'pay.internal': ['10.0.0.1', '10.0.0.2', '10.0.0.3'], one: ['10.0.0.8'] };
    world.clock.advance(40_000);
    await expect.poll(() => world.addresses()?.slice(2, 5)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    // What has nothing to do with it keeps its objects.
    const second = world.states.at(-1)?.datacenters[0]?.instances ?? [];
    expect([0, 1].every((at) => second[at] === first[at])).toBe(true);
    const count = world.states.length;
    records = {};
    world.clock.advance(40_000);
    await expect.poll(() => asked.mock.calls.length).toBe(9);
    expect(world.addresses()?.slice(2, 5)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect(world.states).toHaveLength(count);
  });

  it('that nobody answers for hold an answer up for a second at most; without names nothing is asked', async () => {
    const asked = vi.spyOn(dns, 'lookup').mockImplementation((() => new Promise(() => {})) as never);
    const world = watch([{ id: 'pay', address: 'slow.internal', port: 80 }]);
    await expect.poll(() => asked.mock.calls.length).toBe(1);
    expect(world.states).toEqual([]);
    world.clock.advance(1_000);
    await expect.poll(world.addresses).toEqual(['slow.internal']);
    asked.mockClear();
    const plain = watch([{ id: 'pay', address: '[::1]', port: 80 }]);
    await expect.poll(plain.addresses).toEqual(['::1']);
    expect(asked).not.toHaveBeenCalled();
  });

  it('calls go to every address', async () => {
    const [port = 0] = await freePorts('127.0.0.1', 1);
    const hosts = ['127.0.0.1', '127.0.0.2'];
    for (const host of hosts) {
      opened(await startPaymentsServer({ name: host }, host, port), (one) => one.kill());
    }
    records = { 'pay.internal': hosts };
    lookup();
    const graylane = opened(
      createGraylane({ instances: { payments: [{ address: 'pay.internal', port, tags: ['a'] }] } }),
      (one) => one.close(),
    );
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
    await graylane.ready('payments');
    await expect
      .poll(async () => {
        const replies = await Promise.all(Array.from({ length: 40 }, () => charge(client)));
        return [...new Set(replies.map(({ servedBy }) => servedBy))].sort();
      })
      .toEqual(hosts);
  });
});
