import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random';
import { graylane } from '../integration/cli/built-command';
import { type Ended, runHere } from '../integration/cli/in-process';
import { printFact } from '../support/figure';
import { commandSlips, harmlessLines } from './command-slips';
import { basePolicy, SERVICE, slips } from './policy-slips';
import { CLOSED_PORT, registrySlips } from './registry-slips';
import {
  failingCalls,
  type Registered,
  rememberKeys,
  type SlipsWorld,
  startSlipsWorld,
  untilFollowed,
} from './slips-world';

export interface SlipCounts {
  /** Of a policy's text, through `policy apply`. */
  readonly policies: number;
  /** Of a command line. */
  readonly commands: number;
  /** Of what is registered, after the policy was applied. */
  readonly registrations: number;
  /** Command lines without a slip. */
  readonly harmless: number;
  readonly limitMs: number;
}

/** Other slips for another `SEED` (1), up to 99. */
const SEED = 10 * Number(process.env['SEED'] ?? 1);

/** Seeded slips through the built command, against real calls in two datacenters. */
export function testSlips({ policies, commands, registrations, harmless, limitMs }: SlipCounts): void {
  let world: SlipsWorld;
  let restoreKeys: () => Promise<void>;
  let file: string;
  const address = (): string => world.consul.dc('dc1').address;
  const built = (args: readonly string[]): ReturnType<typeof graylane> =>
    graylane(args, { env: { CONSUL_HTTP_ADDR: address() } });
  /** For what only reads, so that a hundred of them take seconds. */
  const here = (args: readonly string[]): Promise<Ended> => runHere(args, { CONSUL_HTTP_ADDR: address() });

  beforeAll(async () => {
    world = await startSlipsWorld(['dc1', 'dc2']);
    file = world.file('payments.json', JSON.stringify(basePolicy()));
    // A history with a revision that calls would fail under: number 2.
    const bad = { ...basePolicy(), subsets: { stable: { tags: ['stabel'] }, canary: { tags: ['canari'] } } };
    const slower = { ...basePolicy(), timeoutMs: 700 };
    const sound = { schema: 1, service: SERVICE, subsets: bad.subsets, default: 'stable' };
    for (const [name, policy] of Object.entries({ bad: sound, slower, last: basePolicy() })) {
      const args = ['policy', 'apply', world.file(`${name}.json`, JSON.stringify(policy)), '-m', name, '--force'];
      expect(await here([...args, '--allow-reshuffle'])).toMatchObject({ code: 0 });
    }
    restoreKeys = await rememberKeys(world);
  }, 120_000);
  afterAll(() => world?.stop());

  /** Runs it; what it wrote is held against real calls, then taken back. */
  async function callsLostBy(
    args: readonly string[],
  ): Promise<{ readonly code: number | null; readonly lost: readonly string[]; readonly stderr: string }> {
    const { code, stderr } = await built(args);
    if (code !== 0) return { code, lost: [], stderr };
    await untilFollowed(world);
    const lost = await failingCalls(world.seers);
    await restoreKeys();
    await untilFollowed(world);
    return { code, lost, stderr };
  }

  describe('a slip', () => {
    it('is what real calls are held against: all are answered while nothing is wrong', async () => {
      await untilFollowed(world);
      expect(await failingCalls(world.seers)).toEqual([]);
    });

    it(
      `of a policy or a command line takes nothing down: ${policies + commands} through the built command`,
      async () => {
        const random = seededRandom(SEED + 150);
        const lines = [
          ...slips(random, policies).map(({ kind, text }, at) => ({
            kind,
            args: ['policy', 'apply', world.file(`slip-${at}.yaml`, text), '-m', 'why', '--allow-reshuffle'],
          })),
          ...commandSlips(file, random, commands),
        ];
        const wentThrough: string[] = [];
        let refused = 0;
        for (const { kind, args } of lines) {
          const { code, lost } = await callsLostBy(args);
          if (code !== 0) refused += 1;
          if (lost.length > 0) wentThrough.push(`${kind}: ${args.join(' ')}: ${lost.slice(0, 2).join('; ')}`);
        }
        printFact(
          'slips of policies and command lines',
          `${refused} of ${lines.length} refused, ${wentThrough.length} harmful went through`,
        );
        expect(wentThrough).toEqual([]);
      },
      limitMs,
    );

    it(
      `is not seen in ${harmless} command lines without one`,
      async () => {
        const refused: string[] = [];
        for (const { args } of harmlessLines(file, seededRandom(SEED + 151), harmless)) {
          const { code, lost, stderr } = await callsLostBy(args);
          if (code !== 0 || lost.length > 0) refused.push(`${args.join(' ')}: ${stderr} ${lost.join()}`);
        }
        printFact('command lines without a slip, refused', `${refused.length} of ${harmless}`);
        expect(refused.slice(Math.floor(harmless * 0.02))).toEqual([]);
      },
      limitMs,
    );

    it(
      `of a registration is told: ${registrations}`,
      async () => {
        await untilFollowed(world);
        const before = await linesOf(['doctor', SERVICE]);
        expect(before.filter((line) => line.startsWith('problem'))).toEqual([]);
        const untold: string[] = [];
        const counts = { harmful: 0, 'calls lost': 0, doctor: 0, validate: 0, SDK: 0 };
        for (const slip of registrySlips(world.instances, seededRandom(SEED + 152), registrations)) {
          const warned = world.seers.map(({ warnings }) => warnings.length);
          await reregister(slip.before, slip.after);
          const lost = await settled();
          const doctor = (await linesOf(['doctor', SERVICE])).filter((line) => !before.includes(line));
          const told = doctor.filter((line) => /^(problem|warning)/.test(line));
          const { code, stdout } = await here(['policy', 'validate', file, '--consul', address()]);
          const isWarned = world.seers.some(({ warnings }, at) => warnings.length > (warned[at] ?? 0));
          const isHarmful = lost.length > 0 || slip.after.some(isOutOfReach);
          if (isHarmful) counts.harmful += 1;
          if (lost.length > 0) counts['calls lost'] += 1;
          if (told.length > 0) counts.doctor += 1;
          if (/warning|error/.test(stdout)) counts.validate += 1;
          if (isWarned) counts.SDK += 1;
          const shown = `${slip.kind}: ${JSON.stringify(slip.after)}`;
          if (isHarmful && told.length === 0) untold.push(`doctor: ${shown}`);
          // It looks at what is registered, and connects to nobody. What only one datacenter's clients lack is a warning.
          const isListedWrongly = !slip.after.some(isDeaf);
          const isTold = code === 1 || /warning .*for clients that look in dc1 alone/.test(stdout);
          if (lost.length > 0 && isListedWrongly && !isTold) untold.push(`validate: ${shown}: ${lost[0]}`);
          await reregister(slip.after, slip.before);
          await settled();
        }
        printFact('slips of registrations', JSON.stringify({ all: registrations, ...counts }));
        expect(untold).toEqual([]);
        expect(counts.harmful).toBeGreaterThan(registrations / 3);
      },
      limitMs,
    );
  });

  async function linesOf(args: readonly string[]): Promise<readonly string[]> {
    return (await here(args)).stdout.split('\n');
  }

  /** Consul wakes nobody who waits for a service when one of its IDs is registered under another name: so out first. */
  async function reregister(gone: readonly Registered[], come: readonly Registered[]): Promise<void> {
    const stays = (old: Registered): boolean =>
      come.some(({ id, name, datacenter }) => id === old.id && name === old.name && datacenter === old.datacenter);
    for (const old of gone) if (!stays(old)) await world.consul.dc(old.datacenter).deregister(old.id);
    for (const instance of come) await world.consul.dc(instance.datacenter).register(instance);
  }

  /** Makes the calls once the clients know what Consul lists; of a sudden loss, what they keep for a while is left aside. */
  async function settled(): Promise<readonly string[]> {
    for (const seer of world.seers) {
      const listed = await world.listed(seer.sees);
      // Of several at one address a client keeps the newest. Without a policy there is nothing to say of subsets.
      const shown = (address: string, subsets: readonly string[]): string =>
        seer.datacenter === 'dc1' ? `${address} ${[...subsets].sort().join()}` : address;
      const listedAt = new Set(listed.map(({ address, port }) => `${address}:${port}`));
      const wanted = new Set(listed.map((each) => shown(`${each.address}:${each.port}`, subsetsOf(each))));
      await expect
        .poll(
          () => {
            const [service] = seer.graylane.inspect().services;
            const isAnyKept = service?.datacenters.some(({ absent, isHeld }) => absent > 0 || isHeld) === true;
            const known = (service?.endpoints ?? []).filter(({ endpoint }) => !isAnyKept || listedAt.has(endpoint));
            return [...new Set(known.map(({ endpoint, subsets }) => shown(endpoint, subsets)))].sort();
          },
          { interval: 10, timeout: 20_000 },
        )
        .toEqual([...wanted].sort());
    }
    return failingCalls(world.seers);
  }
}

/** No subset of the policy takes it, or nobody listens where it is said to be. */
function isOutOfReach(instance: Registered): boolean {
  return instance.name !== SERVICE || !isTaken(instance) || isDeaf(instance);
}

function isDeaf({ address, port }: Registered): boolean {
  return address !== '127.0.0.1' || port === CLOSED_PORT;
}

function isTaken(instance: Registered): boolean {
  return subsetsOf(instance).length > 0;
}

/** As the policy parts them. */
function subsetsOf({ tags, meta }: Pick<Registered, 'tags' | 'meta'>): readonly string[] {
  return [
    ...(tags.includes('stable') && meta['version'] === 'v1' ? ['stable'] : []),
    ...(tags.includes('canary') ? ['canary'] : []),
    ...(tags.includes('beta') && meta['lane'] === 'beta' ? ['beta'] : []),
  ];
}
