import { describe, expect, it } from 'vitest';
import { GraylaneError } from '../../../../src/base/errors';
import type { SourceState } from '../../../../src/base/instances';
import { createStaticSource } from '../../../../src/client/discovery/static';
import { recordingLogger } from './consul/recorder';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof GraylaneError && error.code === 'INVALID_INSTANCE') return error.message;
    throw error;
  }
  return expect.fail('nothing was refused');
}

describe('static source', () => {
  it('delivers asynchronously, by datacenter in the given order, and on every change', async () => {
    const source = createStaticSource(
      {
        pay: [
          {
            address: '10.0.0.2',
            port: 2,
            datacenter: 'dc2',
            tags: ['canary'],
            meta: { v: '2' },
            weight: 5,
            zone: 'z',
            id: 'c1',
          },
          { address: '10.0.0.1', port: 1 },
        ],
      },
      { datacenters: ['dc1', 'dc2', 'dc3'] },
    );
    const states: SourceState[] = [];
    source.watch({ service: 'pay', tags: [] }, (state) => states.push(state));
    expect(states).toHaveLength(0);
    await turn();
    expect(states).toHaveLength(1);
    expect(states[0]?.datacenters.map((one) => [one.datacenter, one.local, one.known, one.instances.length])).toEqual([
      ['dc1', true, true, 1],
      ['dc2', false, true, 1],
      ['dc3', false, true, 0],
    ]);
    expect(states[0]?.datacenters[1]?.instances[0]).toEqual({
      key: 'dc2/static/c1',
      id: 'c1',
      node: 'static',
      datacenter: 'dc2',
      zone: 'z',
      address: '10.0.0.2',
      port: 2,
      tags: ['canary'],
      meta: { v: '2' },
      status: 'passing',
      weight: 5,
    });
    source.set('pay', [{ address: '10.0.0.1', port: 1 }]);
    await turn();
    expect(states).toHaveLength(2);
    expect(states[1]?.datacenters[1]?.instances).toEqual([]);
    expect(states[1]?.datacenters[0]?.instances[0]).toBe(states[0]?.datacenters[0]?.instances[0]);
    source.set('pay', [{ address: '10.0.0.1', port: 1 }]);
    source.set('other', [{ address: '10.0.0.1', port: 1 }]);
    await turn();
    expect(states).toHaveLength(2);
    source.close();
  });

  it('knows that a service it does not list has no instances', async () => {
    const source = createStaticSource();
    const states: SourceState[] = [];
    source.watch({ service: 'pay', tags: [] }, (state) => states.push(state));
    await turn();
    expect(states[0]?.datacenters).toMatchObject([{ datacenter: 'local', local: true, known: true, instances: [] }]);
  });

  it('narrows by tags and by the datacenters of a watch; a closed watch hears nothing', async () => {
    const source = createStaticSource({
      pay: [
        { address: '10.0.0.1', port: 1, tags: ['a', 'b'], datacenter: 'dc2' },
        { address: '10.0.0.1', port: 2, tags: ['a'], datacenter: 'dc1' },
      ],
    });
    const states: SourceState[] = [];
    const watch = source.watch({ service: 'pay', tags: ['b'], datacenters: ['dc2', 'dc1'] }, (state) =>
      states.push(state),
    );
    await turn();
    expect(states[0]?.datacenters.map((one) => [one.datacenter, one.instances.length])).toEqual([
      ['dc2', 1],
      ['dc1', 0],
    ]);
    watch.close();
    watch.close();
    source.set('pay', []);
    await turn();
    expect(states).toHaveLength(1);
  });

  it('cannot evaluate filters: they match nothing, said once', async () => {
    const logger = recordingLogger();
    const source = createStaticSource({ pay: [{ address: '10.0.0.1', port: 1 }] }, { logger });
    const states: SourceState[] = [];
    const watch = source.watch({ service: 'pay', tags: [] }, (state) => states.push(state));
    watch.setFilters(['Service.Meta.v == 2']);
    watch.setFilters(['Service.Meta.v == 2', 'x']);
    await turn();
    expect([...(states.at(-1)?.datacenters[0]?.filters ?? [])]).toEqual([
      ['Service.Meta.v == 2', new Set()],
      ['x', new Set()],
    ]);
    expect(logger.lines).toHaveLength(1);
  });

  it('refuses what is wrong, with the path and what was expected, all at once, and changes nothing', async () => {
    const message = messageOf(() =>
      createStaticSource({
        payments: [
          { address: '10.0.0.1', port: 0 },
          { address: '', port: 1, weight: -1, status: 'fine' as never, tags: ['a\n'], adress: 'x' } as never,
          { address: 'b', port: 2 },
          { address: 'b', port: 2, id: 'other' },
          { address: 'c', port: 3, id: 'other' },
        ],
        orders: 'none' as never,
      }),
    );
    expect(message).toContain('instances.payments[0].port: 0 (expected: 1..65535)');
    expect(message).toContain('instances.payments[1].weight: -1 (expected: 0..65535)');
    expect(message.split('\n').map((line) => line.split(':')[0])).toEqual([
      'instances.payments[0].port',
      'instances.payments[1].adress',
      'instances.payments[1].address',
      'instances.payments[1].tags',
      'instances.payments[1].weight',
      'instances.payments[1].status',
      'instances.payments[3]',
      'instances.payments[4]',
      'instances.orders',
    ]);
    const source = createStaticSource({ pay: [{ address: 'a', port: 1 }] });
    expect(messageOf(() => source.set('pay', [{ address: 'a', port: 70_000 }]))).toContain(
      'instances.pay[0].port: 70000',
    );
    const states: SourceState[] = [];
    source.watch({ service: 'pay', tags: [] }, (state) => states.push(state));
    await turn();
    expect(states[0]?.datacenters[0]?.instances).toHaveLength(1);
  });
});
