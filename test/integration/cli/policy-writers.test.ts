import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { isLong } from '../../support/slice';
import { builtCommand, cleanEnv } from './built-command';
import { commandWorld, policyOf } from './two-datacenters';
import { startWriteSpy, type WriteSpy } from './write-spy';

interface Log {
  readonly entries: readonly { readonly number: number; readonly message: string; readonly kind: string }[];
  readonly problems: readonly { readonly problem: string }[];
}

const WRITERS = isLong ? 12 : 6;
const APPLIES = isLong ? 30 : 16;
const world = commandWorld();

async function log(service: string): Promise<Log> {
  const { json } = await world.runJson<readonly Log[]>(['policy', 'log', service, '--verify']);
  if (json[0] === undefined) throw new Error('no log');
  return json[0];
}

describe('many writers of one policy', { timeout: 240_000 }, () => {
  it('many at once: each is written once it has won, losers are told who won, and the history is one line', async () => {
    await world.run(['policy', 'apply', world.file('w.json', policyOf('raced', 1)), '-m', 'begin']);
    let lost = 0;
    const write = async (writer: number): Promise<void> => {
      const file = world.file(`w${writer}.json`, policyOf('raced', writer + 2));
      for (;;) {
        const { code, stderr } = await world.run(['policy', 'apply', file, '-m', `writer ${writer}`]);
        if (code === 0) return;
        expect([code, stderr]).toEqual([
          1,
          expect.stringMatching(
            /lost the race: \S+@\S+ wrote number \d+ at \S+ \("writer \d+"\) meanwhile.*run graylane policy diff/,
          ),
        ]);
        lost += 1;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));

    const { entries, problems } = await log('raced');
    expect(problems).toEqual([]);
    expect(entries.map(({ number }) => number)).toEqual(
      Array.from({ length: WRITERS + 1 }, (_, at) => WRITERS + 1 - at),
    );
    const expected = ['begin', ...Array.from({ length: WRITERS }, (_, writer) => `writer ${writer}`)];
    expect(entries.map(({ message }) => message).sort()).toEqual(expected.sort());
    const winner = Number(/\d+/.exec(entries[0]?.message ?? '')?.[0]);
    expect(JSON.parse((await world.kv('graylane/policies/raced')) ?? '')).toEqual(policyOf('raced', winner + 2));
    printFact(
      `${WRITERS} writers of one policy at once`,
      `${entries.length - 1} written, ${lost} lost a race and applied again`,
    );
    expect(lost).toBeGreaterThan(0);
  });

  it('kill -9 in the middle of applies leaves policy and history whole', async () => {
    await world.run(['policy', 'apply', world.file('k.json', policyOf('killed', 1)), '-m', 'begin']);
    let killed = 0;
    const applyAndKill = async (index: number, spy: WriteSpy): Promise<void> => {
      const file = world.file(`k${index}.json`, policyOf('killed', 2 + (index % 97)));
      const child = spawn(process.execPath, [builtCommand, 'policy', 'apply', file, '-m', `apply ${index}`], {
        env: { ...cleanEnv(), CONSUL_HTTP_ADDR: spy.address },
        stdio: 'ignore',
      });
      const closed = once(child, 'close') as Promise<[number | null, string | null]>;
      const kill = async (): Promise<void> => {
        child.kill('SIGKILL');
        await closed;
      };
      // Before the write, while it is on its way, or before its answer; every fourth may live.
      const moment = index % 4;
      spy.onWrite = async () => {
        if (moment === 1) await kill();
        if (moment === 2) setTimeout(() => child.kill('SIGKILL'), index % 3);
      };
      spy.onWritten = () => (moment === 3 ? kill() : undefined);
      const [, signal] = await closed;
      if (signal === 'SIGKILL') killed += 1;
    };
    const queue = Array.from({ length: APPLIES }, (_, index) => index);
    const worker = async (): Promise<void> => {
      const spy = await startWriteSpy(world.consul.dc('dc1').address);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await applyAndKill(next, spy);
      await spy.stop();
    };
    await Promise.all([worker(), worker()]);

    const { entries, problems } = await log('killed');
    expect(problems).toEqual([]);
    // A policy without its entry would have been found by the next apply, and an entry without its policy, too.
    expect(entries.filter(({ kind }) => kind !== 'apply')).toEqual([]);
    const newest = entries[0]?.number ?? 0;
    printFact(`kill -9 in ${APPLIES} applies`, `${killed} killed, ${newest - 1} written, 0 torn`);
    expect(killed).toBeGreaterThan(APPLIES / 3);
    expect(newest - 1).toBeGreaterThan(APPLIES / 3);
    const shown = await world.run(['policy', 'show', String(newest), 'killed']);
    expect(shown.stdout).toBe(await world.kv('graylane/policies/killed'));
    const back = await world.run(['policy', 'rollback', String(entries.at(-1)?.number), 'killed']);
    expect(back.code).toBe(0);
  });
});
