import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { GRAY, graySplit } from '../../support/gray-policy';
import { paymentsClient } from '../../support/payments';
import { signingPair } from '../../support/signing';
import { type CommandEnded, graylane, graylaneJson } from '../cli/built-command';
import { startLive } from '../cli/live-command';
import { serve } from '../rollout/collector/figures-world';
import { rolloutWorld } from '../rollout/rollout-world';
import { isCandidateHeld, policyFile, stickyPolicy } from './trial-world';

const world = rolloutWorld({ config: { limits: { http_max_conns_per_client: 5_000 } } });
const LISTEN = ['--listen', '127.0.0.1:0'];
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function env(): { readonly CONSUL_HTTP_ADDR: string } {
  return { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address };
}

function run(...args: readonly string[]): Promise<CommandEnded> {
  return graylane(args, { env: env() });
}

function apply(policy: object, ...more: readonly string[]): Promise<CommandEnded> {
  return run('policy', 'apply', policyFile(policy), '-m', 'a change', '--force', '--allow-reshuffle', ...more);
}

/** A client with so many calls a second until the test has ended. */
async function caller(options: GraylaneOptions = {}, perSecond = 100): Promise<Graylane> {
  const consul = { address: world.consul.dc('dc1').address };
  const reporting = { consul, stateDirectory: false, reportRolloutMetrics: true, logger: silent, ...options } as const;
  const made = createGraylane(reporting);
  const client = paymentsClient(made.target('payments'), made.clientOptions());
  onTestFinished(async () => {
    client.close();
    await made.close();
  });
  await made.ready('payments', { timeoutMs: 10_000 });
  let user = 0;
  const timer = setInterval(() => {
    user += 1;
    client.charge({ order: 'o' }, made.metadata({ 'x-user-id': `u-${user % 50}` }), () => {});
  }, 1000 / perSecond);
  onTestFinished(() => clearInterval(timer));
  return made;
}

function revisionOf(client: Graylane): string | undefined {
  return client.inspect().services[0]?.policy.revision;
}

const isHeld = (): Promise<boolean> => isCandidateHeld(world.consul.dc('dc1').address);

async function log(): Promise<string> {
  return (await run('policy', 'log', 'payments')).stdout;
}

beforeEach(async () => {
  await serve(world, 'payments');
  await world.consul.dc('dc1').deleteKv('graylane/policies/payments');
  expect((await apply(stickyPolicy(5))).code).toBe(0);
});

/** Runs on while the test goes on; `end` is what it ended with. */
function gradually(
  percent: number,
  policy: object,
  ...more: readonly string[]
): { readonly end: Promise<CommandEnded> } {
  const end = apply(policy, '--gradual', `${percent},100`, ...LISTEN, ...more);
  return { end };
}

describe('graylane policy trial', { timeout: 60_000 }, () => {
  interface Trial {
    readonly clients: { readonly counts: object; readonly reasons: { readonly refused: readonly string[] } };
    readonly calls: number;
    readonly nobody: number;
    readonly nobodyNow: number;
  }

  it('asks clients that report, and tells which would refuse the policy or have one of their own', async () => {
    const ours = signingPair();
    const signed = ours.sign(stickyPolicy(5), new Date().toISOString());
    await world.consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(signed));
    const [plain] = await Promise.all([
      caller(),
      caller({ policyKeys: [ours.publicPem] }),
      caller({ policies: { payments: stickyPolicy(50) } }),
      caller({ reportRolloutMetrics: false }),
      caller({ mode: 'observe' }),
    ]);
    const before = revisionOf(plain);
    const args = ['policy', 'trial', policyFile(stickyPolicy(30)), '--for', '3s', '--key', 'none', ...LISTEN];
    const { json, code, stderr } = await graylaneJson<Trial>(args, { env: env() });
    expect(json.clients.counts).toEqual({ counting: 1, refused: 1, waiting: 0, apart: 1 });
    expect(json.clients.reasons.refused[0]).toMatch(/signature/);
    expect([code, stderr]).toEqual([1, expect.stringContaining('1 client would refuse it: signature')]);
    expect(json.calls).toBeGreaterThan(0);
    expect([revisionOf(plain), await isHeld()]).toEqual([before, false]);
  });

  it('tells calls that would find nobody, and ends with 1', async () => {
    await caller();
    const gone = { ...GRAY, subsets: { ...GRAY.subsets, gone: { tags: ['gone'] } } };
    const policy = { ...gone, routes: [{ name: 'all', to: 'gone' }] };
    const { code, stdout } = await run('policy', 'trial', policyFile(policy), '--for', '2s', ...LISTEN);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/would find nobody \d+ calls \(100\.0 %\); now 0\n/)]);
    expect(stdout).toMatch(/would move (\d+) of \1 calls \(100\.0 %\)/);
    expect(stdout).toMatch(/moves +everyone: stable +all: gone/);
  });

  it('looks through filters, as a policy in force would', async () => {
    await caller();
    const filtered = { stable: { filter: '"stable" in Service.Tags' }, canary: { filter: '"canary" in Service.Tags' } };
    const policy = { ...GRAY, subsets: filtered, routes: [{ name: 'all', split: graySplit(50) }] };
    const { json, code } = await graylaneJson<Trial>(
      ['policy', 'trial', policyFile(policy), '--for', '3s', ...LISTEN],
      { env: env() },
    );
    expect([code, json.nobody]).toEqual([0, 0]);
    expect(json.calls).toBeGreaterThan(0);
  });

  it('ends with what was counted when it is interrupted', async () => {
    await caller();
    const live = startLive(['policy', 'trial', policyFile(stickyPolicy(30)), '--for', '10m', ...LISTEN], env());
    onTestFinished(() => live.kill());
    await live.note(/listens at/);
    await expect.poll(isHeld).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await live.interrupt()).toBe(0);
    expect(live.lines.join('\n')).toMatch(/payments: 1 client, [1-9]\d* calls in \ds/);
    expect(await isHeld()).toBe(false);
  });
});

describe('graylane policy apply --gradual', { timeout: 60_000 }, () => {
  it('ends as apply does when every share has passed, and shows the fleet on the way', async () => {
    const clients = await Promise.all([caller(), caller(), caller()]);
    const urls = await Promise.all(clients.map(adminUrl));
    const former = revisionOf(clients[0] as Graylane);
    const { end } = gradually(34, stickyPolicy(30), '--step', '4s', '--min-calls', '50');
    const fleet = async (): Promise<readonly unknown[]> => {
      const args = ['fleet', 'payments', ...urls.flatMap((url) => ['--url', url])];
      const { json } = await graylaneJson<{ readonly processes: readonly { readonly state: string }[] }>(args, {
        env: env(),
      });
      return json.processes.map(({ state }) => state);
    };
    await expect.poll(fleet).toEqual(['candidate', 'follows', 'follows']);
    expect(clients.filter((each) => revisionOf(each) === former)).toHaveLength(2);
    const ended = await end;
    expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining('listens at')]);
    expect(ended.stdout).toMatch(/in force 34 %: 1 of 3 clients\n[\s\S]*passed 0 of \d+ calls under it failed/);
    expect(await log()).toContain('a change (by degrees: 34, 100 %)');
    expect(await isHeld()).toBe(false);
    expect(new Set(clients.map(revisionOf)).size).toBe(1);
    expect(revisionOf(clients[0] as Graylane)).not.toBe(former);
    expect(await fleet()).toEqual(['follows', 'follows', 'follows']);
  });

  it('is taken back by rollback, from anywhere', async () => {
    const client = await caller();
    const former = revisionOf(client);
    const { end } = gradually(50, stickyPolicy(30));
    await expect.poll(() => revisionOf(client)).not.toBe(former);
    const back = await run('policy', 'rollback', 'payments');
    expect([back.code, back.stdout]).toEqual([
      0,
      expect.stringMatching(/^taken back payments in local: revision \w+, in 50 %/),
    ]);
    await expect.poll(() => revisionOf(client)).toBe(former);
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining('taken back, nothing was written: it was ended from elsewhere'),
    ]);
    expect((await log()).split('\n')[1]).not.toContain('by degrees');
  });

  it('gives way to any other change of the policy, at once', async () => {
    const client = await caller();
    const former = revisionOf(client);
    const { end } = gradually(50, stickyPolicy(30));
    await expect.poll(() => revisionOf(client)).not.toBe(former);
    const candidate = revisionOf(client);
    expect((await apply(stickyPolicy(7))).code).toBe(0);
    await expect.poll(() => revisionOf(client)).not.toBe(candidate);
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([3, expect.stringContaining('the policy was changed meanwhile')]);
    expect(revisionOf(client)).not.toBe(former);
  });

  it('ends with the command that dies, and leaves nothing on disk', async () => {
    const stateDirectory = mkdtempSync(join(tmpdir(), 'graylane-state-'));
    onTestFinished(() => rmSync(stateDirectory, { recursive: true, force: true }));
    const onDisk = (): string =>
      readdirSync(stateDirectory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').replaceAll('\\', ''))
        .join();
    const client = await caller({ stateDirectory, shareWatches: false });
    await expect.poll(onDisk).toContain('"weight":95');
    const former = revisionOf(client);
    const args = ['policy', 'apply', policyFile(stickyPolicy(30)), '-m', 'x', '--force', '--allow-reshuffle'];
    const live = startLive([...args, '--gradual', '50,100', ...LISTEN], env());
    onTestFinished(() => live.kill());
    await expect.poll(() => revisionOf(client)).not.toBe(former);
    // A change of the instances is remembered, and the candidate is not.
    await serve(world, 'payments');
    await expect.poll(() => client.inspect().services[0]?.endpoints.length).toBeGreaterThan(1);
    live.kill();
    // Consul ends a session of 10 s after 20 s at most.
    await expect.poll(() => revisionOf(client), { timeout: 30_000 }).toBe(former);
    await expect.poll(onDisk).toContain('"weight":95');
    expect(onDisk()).not.toContain('"weight":70');
  });

  it('is signed, and what was signed before it holds again afterwards', async () => {
    const ours = signingPair();
    const key = policyFile({});
    writeFileSync(key, ours.privatePem);
    expect((await apply(stickyPolicy(6), '--key', key)).code).toBe(0);
    const client = await caller({ policyKeys: [ours.publicPem] });
    const former = revisionOf(client);
    const { end } = gradually(50, stickyPolicy(30), '--key', key);
    await expect.poll(() => revisionOf(client)).not.toBe(former);
    expect((await run('policy', 'rollback', 'payments')).code).toBe(0);
    await expect.poll(() => revisionOf(client)).toBe(former);
    await end;
    expect(client.inspect().services[0]?.policy.rejected).toBeUndefined();
  });

  it('is taken back where a client refuses it', async () => {
    const ours = signingPair();
    const signed = ours.sign(stickyPolicy(5), new Date().toISOString());
    await world.consul.dc('dc1').putKv('graylane/policies/payments', JSON.stringify(signed));
    const client = await caller({ policyKeys: [ours.publicPem] });
    const former = revisionOf(client);
    const { code, stderr } = await gradually(50, stickyPolicy(30), '--key', 'none').end;
    expect([code, stderr]).toEqual([3, expect.stringMatching(/1 of the clients refuse it: signature/)]);
    expect(revisionOf(client)).toBe(former);
  });

  it('is refused while another command has a candidate', async () => {
    await caller();
    const { end } = gradually(50, stickyPolicy(30));
    await expect.poll(isHeld).toBe(true);
    const second = await run('policy', 'trial', policyFile(stickyPolicy(40)), '--for', '2s', ...LISTEN);
    expect([second.code, second.stderr]).toEqual([
      1,
      expect.stringMatching(/payments has a policy in by degrees of \S+ until /),
    ]);
    // Also where it is in force nowhere yet.
    expect((await run('policy', 'rollback', 'payments')).code).toBe(0);
    expect((await end).code).toBe(3);
  });
});

describe('what was not meant', () => {
  it.each([
    [['--gradual', '1,10'], /--gradual: 1,10 \(expected: a share or more, then 100\)/],
    [['--gradual', '100'], /--gradual: 100 \(expected/],
    [['--gradual', '10,5,100'], /expected: percent above 0, rising/],
    [['--gradual', '1,100', '--listen', '0.0.0.0:0'], /every address/],
    [['--step', '10s'], /--step: given without --gradual/],
    [['--min-calls', '10'], /--min-calls: given without --gradual/],
  ])('%j', async (args, words) => {
    const { code, stderr } = await apply(stickyPolicy(9), ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(words)]);
  });

  it('nothing to try, nowhere to go back to, no address', async () => {
    const same = await run('policy', 'trial', policyFile(stickyPolicy(5)), '--for', '1s', ...LISTEN);
    expect([same.code, same.stderr]).toEqual([1, expect.stringContaining('nothing to try')]);
    const nowhere = await run('policy', 'trial', policyFile(stickyPolicy(9)));
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('--listen: missing')]);
    await world.consul.dc('dc1').deleteKv('graylane/policies/payments');
    const first = await apply(stickyPolicy(9), '--gradual', '1,100', ...LISTEN);
    expect([first.code, first.stderr]).toEqual([1, expect.stringContaining('no policy that clients could go back to')]);
  });
});

async function adminUrl(client: Graylane): Promise<string> {
  const server = createServer(client.adminHandler());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
