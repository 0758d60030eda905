import { afterAll, describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import {
  type HeldCall,
  type HeldClient,
  type HeldServer,
  heldClient,
  holdCall,
  KINDS,
  startHeldServer,
} from './held-calls-server';

// grpc-js' pool lets go of unreferenced subchannels every 10 s, counted from its first one. The cells run side by side, so that
// all of them live through three of these sweeps in 31 s.
const AWAY_AT_MS = 9_000;
const BACK_AT_MS = 11_000;
const FINISH_AT_MS = 31_000;
const DRAIN_MS = 2_000;
const PINGS_MS = [undefined, 1_000, 4_000, 10_000, 60_000] as const;

const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Cell {
  readonly client: HeldClient;
  readonly leaving: HeldServer;
  readonly calls: readonly HeldCall[];
  setMembers(members: readonly HeldServer[]): void;
}

let staying: HeldServer;

async function open(pingsMs: number | undefined, balancing: PolicyDocument['balancing'], age = false): Promise<Cell> {
  const leaving = await startHeldServer(
    age ? { 'grpc.max_connection_age_ms': 1_000, 'grpc.max_connection_age_grace_ms': 60_000 } : {},
  );
  closers.push(() => leaving.kill());
  const policy = { schema: 1, service: 'held', retry: 'off', ...(balancing && { balancing }) } as const;
  const graylane = createGraylane({ instances: { held: [leaving.instance] }, policies: { held: policy } });
  closers.push(() => graylane.close());
  const pings = pingsMs === undefined ? {} : { 'grpc.keepalive_time_ms': pingsMs, 'grpc.keepalive_timeout_ms': 5_000 };
  const client = heldClient(graylane.target('held'), graylane.clientOptions(pings));
  closers.push(() => client.close());
  const calls = KINDS.map((kind) => holdCall(client, kind));
  await expect.poll(() => leaving.open, { timeout: 10_000 }).toBe(KINDS.length);
  return {
    client,
    leaving,
    calls,
    setMembers: (members) =>
      graylane.setInstances(
        'held',
        members.map(({ instance }) => instance),
      ),
  };
}

/** What happens to the instance, from when the calls are under way. */
const EXITS: Readonly<Record<string, (cell: Cell, sincePoolMs: () => number) => Promise<void>>> = {
  'leaves discovery': async ({ setMembers }) => setMembers([staying]),
  'leaves and is back within 100 ms': async ({ setMembers, leaving }) => {
    setMembers([staying]);
    await pause(100);
    setMembers([leaving, staying]);
  },
  'is away for 2 s around the sweep': async ({ setMembers, leaving }, sincePoolMs) => {
    await pause(AWAY_AT_MS - sincePoolMs());
    setMembers([staying]);
    await pause(BACK_AT_MS - sincePoolMs());
    setMembers([leaving, staying]);
  },
  'leaves, and its server drains': async ({ setMembers, leaving }) => {
    setMembers([staying]);
    await pause(200);
    leaving.drain();
  },
  'stays, and its server drains': async ({ setMembers, leaving }) => {
    setMembers([leaving, staying]);
    leaving.drain();
  },
  'stays, and its server renews connections (max_connection_age)': async ({ setMembers, leaving }) =>
    setMembers([leaving, staying]),
  'stays, and the client is closed': async ({ client }) => client.close(),
};

describe('calls under way at an instance that goes', { timeout: 90_000 }, () => {
  it('run to their end, whatever pings the user has set', async () => {
    staying = await startHeldServer();
    closers.push(() => staying.kill());
    const beganAtMs = performance.now();
    const sincePoolMs = (): number => performance.now() - beganAtMs;
    const cells = await Promise.all(
      Object.entries(EXITS).flatMap(([exit, go]) =>
        PINGS_MS.map(async (pingsMs) => {
          const cell = await open(pingsMs, undefined, exit.includes('max_connection_age'));
          return { name: `${exit}, pings ${pingsMs ?? 'off'}`, exit, pingsMs, cell, gone: go(cell, sincePoolMs) };
        }),
      ),
    );
    await Promise.all(cells.map(({ gone }) => gone));
    await pause(FINISH_AT_MS - sincePoolMs());
    for (const { cell } of cells) cell.leaving.finish();
    const cut: string[] = [];
    for (const { name, cell } of cells) {
      for (const { kind, ended } of cell.calls) {
        const { code, details } = await ended;
        if (code !== 0) cut.push(`${name}: ${kind}: ${code} ${details}`);
      }
    }
    printFact('calls under way at an instance that goes', `${cut.length} of ${cells.length * KINDS.length} cut`);
    expect(cut).toEqual([]);
  });

  it('end when their time to drain is over, unless the instance is back before', async () => {
    const away = await Promise.all(PINGS_MS.map((pingsMs) => open(pingsMs, { drainMs: DRAIN_MS })));
    for (const { setMembers } of away) setMembers([staying]);
    const back = await Promise.all([undefined, 1_000].map((pingsMs) => open(pingsMs, { drainMs: DRAIN_MS })));
    for (const { setMembers } of back) setMembers([staying]);
    await pause(100);
    for (const { setMembers, leaving } of back) setMembers([leaving, staying]);
    for (const { calls } of away) {
      for (const { ended } of calls) expect(await ended).toMatchObject({ code: 14, details: /drainMs/ });
    }
    await pause(DRAIN_MS);
    expect(back.flatMap(({ calls }) => calls.filter(({ status }) => status !== undefined))).toEqual([]);
    // The second time it leaves for good.
    for (const { setMembers } of back) setMembers([staying]);
    for (const { calls } of back) for (const { ended } of calls) expect((await ended).code).toBe(14);
  });
});
