import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { type Criticality, type LoadSheddingOptions, loadShedding } from '../../../src/server';
import { closeAfterEach } from '../../support/closers';
import { printFact } from '../../support/figure';
import { untilReady } from '../../support/until-ready';
import { BURN } from './burn';

const WORK_MS = 20;
/** Calls a second that one thread can do. */
const CAPACITY = 1_000 / WORK_MS;
const DEADLINE_MS = 1_500;
const Client = grpc.makeGenericClientConstructor(BURN, 'overload.Work');
type Burn = grpc.Client & {
  burn(
    request: Buffer,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: grpc.requestCallback<Buffer>,
  ): void;
};
const closing = closeAfterEach();

/** A process of its own, so that the load does not make the client late. */
async function startServer(isShedding: boolean): Promise<{ child: ChildProcess; port: number; said: string[] }> {
  const child = closing(
    fork(join(__dirname, 'fixtures', 'overloaded-process.ts'), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, SERVER: JSON.stringify({ workMs: WORK_MS, isShedding }) },
    }),
    (it) => it.kill('SIGKILL'),
  );
  const said: string[] = [];
  child.on('message', (message: { said?: string }) => {
    if (message.said !== undefined) said.push(message.said);
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, port, said };
}

interface Answer {
  readonly criticality: Criticality;
  readonly status: grpc.StatusObject | undefined;
}

async function call(client: Burn, criticality: Criticality, method = 'burn' as const): Promise<Answer> {
  const metadata = new grpc.Metadata();
  metadata.set('x-criticality', criticality);
  return new Promise((resolve) => {
    client[method](Buffer.from('x'), metadata, { deadline: Date.now() + DEADLINE_MS }, (error) =>
      resolve({ criticality, status: error ?? undefined }),
    );
  });
}

/** So many calls a second, a fifth of them of the most important. */
async function load(client: Burn, perSecond: number, forMs: number): Promise<readonly Answer[]> {
  const calls: Promise<Answer>[] = [];
  const begun = performance.now();
  while (performance.now() - begun < forMs) {
    const due = ((performance.now() - begun) * perSecond) / 1_000;
    while (calls.length < due) calls.push(call(client, calls.length % 5 === 0 ? 'critical-plus' : 'sheddable'));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return Promise.all(calls);
}

function answered(answers: readonly Answer[], criticality?: Criticality): number {
  const asked = answers.filter((each) => criticality === undefined || each.criticality === criticality);
  return asked.filter(({ status }) => status === undefined).length / asked.length;
}

async function clientOf(port: number): Promise<Burn> {
  const made = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure()) as unknown as Burn;
  const client = closing(made, (it) => it.close());
  await untilReady(client);
  return client;
}

describe('a server that is asked for twice of what it can do', () => {
  it('answers the important calls and as many others as it can, and is told of', { timeout: 120_000 }, async () => {
    const [shedding, plain] = [await startServer(true), await startServer(false)];
    const [mine, beside] = [await clientOf(shedding.port), await clientOf(plain.port)];
    // One after the other: both want a processor.
    await load(mine, 2 * CAPACITY, 3_000);
    const during = await load(mine, 2 * CAPACITY, 4_000);
    const checked = await checkHealth(shedding.port);
    const after = await load(mine, CAPACITY / 4, 4_000);
    const settled = await load(mine, CAPACITY / 4, 2_000);
    await load(beside, 2 * CAPACITY, 3_000);
    const without = await load(beside, 2 * CAPACITY, 4_000);
    const figures = [answered(during), answered(during, 'critical-plus'), answered(without), answered(settled)];
    printFact(
      'load shedding at twice the capacity: answered in time, of these the most important; without; afterwards',
      figures.map((each) => `${(100 * each).toFixed(1)} %`).join(', '),
    );
    expect(answered(during, 'critical-plus')).toBeGreaterThan(0.9);
    // Half of what is asked for is what it can do.
    expect(answered(during)).toBeGreaterThan(0.3);
    expect(answered(without)).toBeLessThan(answered(during) / 2);
    const refused = during.flatMap(({ status }) => (status?.code === grpc.status.RESOURCE_EXHAUSTED ? [status] : []));
    expect(refused.length).toBeGreaterThan(during.length / 5);
    expect(refused[0]?.details).toBe('this server is overloaded: the call could not begin for 100 ms');
    expect(refused[0]?.metadata.get('grpc-retry-pushback-ms')).toEqual(['1000']);
    expect(checked).toBe('SERVING');
    expect(after.length + settled.length).toBeGreaterThan(0);
    expect(answered(settled)).toBe(1);
    expect(shedding.said).toContain('calls are refused: they cannot begin in time');
    expect(shedding.said).toContain('calls are no longer refused');
  });
});

async function checkHealth(port: number): Promise<unknown> {
  const Health = grpc.makeGenericClientConstructor(healthService, 'grpc.health.v1.Health');
  const client = closing(new Health(`127.0.0.1:${port}`, grpc.credentials.createInsecure()), (it) => it.close());
  return new Promise((resolve) => {
    client['check']?.(
      { service: '' },
      { deadline: Date.now() + 10_000 },
      (error: unknown, reply: { status?: string }) => resolve(error ?? reply.status),
    );
  });
}

describe('loadShedding()', () => {
  it.each<[string, unknown, string]>([
    ['maxWaitMs', 5, 'maxWaitMs: 5 (expected: 10..60000)'],
    ['maxWaitMs', '100', 'maxWaitMs: "100" (expected: 10..60000)'],
    ['pushbackMs', -1, 'pushbackMs: -1 (expected: 0..60000)'],
    [
      'label',
      'X-Criticality',
      'label: "X-Criticality" (expected: a key of metadata in lower case, such as x-criticality)',
    ],
    ['label', 'level-bin', 'label: "level-bin" (expected: a key of metadata in lower case, such as x-criticality)'],
    ['exempt', ['Charge'], 'exempt: "Charge" (expected: /package.Service/Method, or a prefix that ends in /)'],
    ['criticalityOf', 'high', 'criticalityOf: string (expected: a function)'],
    ['maxWait', 5, 'maxWait'],
  ])('refuses %s: %j', (key, value, message) => {
    expect(() => loadShedding({ [key]: value } as LoadSheddingOptions)).toThrow(message);
  });
});
