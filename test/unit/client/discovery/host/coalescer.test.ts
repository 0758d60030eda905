import { afterEach, describe, expect, it } from 'vitest';
import { Coalescer } from '../../../../../src/client/discovery/host/coalescer';
import { type HostAsk, LOST } from '../../../../../src/client/discovery/host/protocol';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import type { ConsulAnswer, ConsulRequest } from '../../../../../src/consul/request';

/** Requests as they reach Consul, each answered by the test. */
class Agent {
  readonly open: { readonly request: ConsulRequest; readonly answer: (index: number, body?: string) => void }[] = [];
  asked = 0;

  get = (request: ConsulRequest): Promise<ConsulAnswer> => {
    this.asked += 1;
    return new Promise((resolve) => {
      const entry = {
        request,
        answer: (index: number, body = `at ${index}`) => {
          this.open.splice(this.open.indexOf(entry), 1);
          resolve(answerOf(index, body));
        },
      };
      this.open.push(entry);
      request.signal?.addEventListener('abort', () => this.open.splice(this.open.indexOf(entry), 1));
    });
  };

  /** The index of each open request; `plain` for one without. */
  get indexes(): string[] {
    return this.open.map(({ request }) => String(request.query?.['index'] ?? 'plain'));
  }
}

function answerOf(index: number, body: string): ConsulAnswer {
  const rest = { filteredByAcl: false, dateMs: undefined, body: Buffer.from(body) };
  return { kind: 'answer', status: 200, index: BigInt(index), ...rest };
}

function ask(index: number | undefined, more: Partial<HostAsk> & { service?: string; dc?: string } = {}): HostAsk {
  const { service = 'pay', dc, ...rest } = more;
  return {
    path: '/health/service/{service}',
    params: { service },
    query: { ...(dc === undefined ? {} : { dc }), ...(index === undefined ? {} : { wait: '50000ms' }) },
    index: index === undefined ? undefined : String(index),
    isShort: false,
    isCompressed: false,
    afterMs: 0,
    timeLimitMs: 60_000,
    ...rest,
  };
}

const clock = new FakeClock();
let agent = new Agent();
let coalescer: Coalescer = new Coalescer(agent, clock);
const read = async (...given: Parameters<typeof ask>): Promise<string> =>
  textOf(await coalescer.get(ask(...given), undefined));
const textOf = (answer: ConsulAnswer | typeof LOST): string =>
  answer === LOST ? 'lost' : answer.kind === 'answer' ? String(answer.body) : answer.reason;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

afterEach(() => {
  coalescer.close();
  agent = new Agent();
  coalescer = new Coalescer(agent, clock);
});

describe('several readers of one question', () => {
  it('wait on one request, whatever their waits, and get its answer', async () => {
    const readers = [50_000, 45_000, 48_000].map((wait) => read(7, { query: { wait: `${wait}ms` } }));
    await settled();
    expect(agent.indexes).toEqual(['7']);
    agent.open[0]?.answer(8);
    expect(await Promise.all(readers)).toEqual(['at 8', 'at 8', 'at 8']);
  });

  it.each<[string, Parameters<typeof ask>[1]]>([
    ['another service', { service: 'orders' }],
    ['another datacenter', { dc: 'dc2' }],
    ['a filter', { query: { filter: 'x' } }],
    ['a shorter wait, to look again', { isShort: true }],
  ])('are apart from those of %s', async (_what, other) => {
    void read(7);
    void read(7, other);
    await settled();
    expect(agent.asked).toBe(2);
  });

  it('that know more than the request under way wait on it all the same', async () => {
    const old = read(7);
    const newer = read(9);
    await settled();
    expect(agent.indexes).toEqual(['7']);
    agent.open[0]?.answer(10);
    expect(await Promise.all([old, newer])).toEqual(['at 10', 'at 10']);
  });

  it('that know more are not sent back when that request ends without news', async () => {
    const old = read(7);
    const newer = read(9);
    await settled();
    agent.open[0]?.answer(7);
    expect(await old).toBe('at 7');
    await settled();
    expect(agent.indexes).toEqual(['9']);
    agent.open[0]?.answer(10);
    expect(await newer).toBe('at 10');
  });

  it('that know less get the last answer at once while a request waits for what comes after it', async () => {
    const first = read(7);
    await settled();
    agent.open[0]?.answer(8);
    await first;
    void read(8);
    await settled();
    expect(await read(7)).toBe('at 8');
    expect(agent.indexes).toEqual(['8']);
  });

  it('that know less ask for themselves while nothing waits', async () => {
    const first = read(7);
    await settled();
    agent.open[0]?.answer(8);
    await first;
    void read(7);
    await settled();
    expect(agent.indexes).toEqual(['7']);
  });

  it('are never answered from memory without an index, nor with a shortened wait', async () => {
    const first = read(7);
    await settled();
    agent.open[0]?.answer(8);
    await first;
    void read(8);
    void read(undefined);
    void read(7, { isShort: true });
    await settled();
    expect(agent.indexes).toEqual(['8', 'plain', '7']);
  });

  it('pause together: one request when the first of them would have asked', async () => {
    void read(7, { afterMs: 200 });
    void read(7, { afterMs: 150 });
    void read(7, { afterMs: 180 });
    await settled();
    clock.advance(149);
    expect(agent.asked).toBe(0);
    clock.advance(1);
    expect(agent.indexes).toEqual(['7']);
    clock.advance(100);
    expect(agent.asked).toBe(1);
  });

  it('let go of the request when the last of them leaves', async () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const readers = [coalescer.get(ask(7), a.signal), coalescer.get(ask(7), b.signal)];
    await settled();
    a.abort();
    expect(textOf(await (readers[0] ?? LOST))).toBe('closed');
    expect(agent.open).toHaveLength(1);
    b.abort();
    await readers[1];
    expect(agent.open).toHaveLength(0);
    expect(coalescer.waiting).toBe(0);
    // And the next begins anew.
    void read(7);
    await settled();
    expect(agent.open).toHaveLength(1);
  });

  it('are told that it is over', async () => {
    const reader = read(7);
    const later = read(7, { afterMs: 100 });
    coalescer.close();
    expect(await Promise.all([reader, later, read(7)])).toEqual(['lost', 'lost', 'lost']);
  });
});

it('plain reads of one datacenter take turns, and do not wait for those of another that hangs', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
  const hanging = names.map((service) => read(undefined, { service, dc: 'dc2' }));
  const local = names.map((service) => read(undefined, { service }));
  await settled();
  expect(agent.open).toHaveLength(8);
  for (let answered = 0; answered < 10; answered += 1) {
    agent.open.find(({ request }) => request.query?.['dc'] === undefined)?.answer(1);
    await settled();
  }
  expect(await Promise.all(local)).toHaveLength(10);
  expect(agent.open).toHaveLength(4);
  while (agent.open.length > 0) {
    agent.open[0]?.answer(1);
    await settled();
  }
  expect(await Promise.all(hanging)).toHaveLength(10);
});

it('keeps no more bodies than it may', async () => {
  const large = 'x'.repeat(12 * 1024 * 1024);
  for (const service of ['a', 'b', 'c']) {
    const reader = read(7, { service });
    await settled();
    agent.open.at(-1)?.answer(8, large);
    await reader;
    void read(8, { service });
    await settled();
  }
  expect((await read(7, { service: 'b' })).length).toBe(large.length);
  const third = read(7, { service: 'c' });
  await settled();
  expect(agent.indexes).toEqual(['8', '8', '8', '7']);
  agent.open[3]?.answer(8, '');
  await third;
});
