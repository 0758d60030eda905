import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obtainConsul } from '../../support/consul/obtain';
import { freePorts } from '../../support/consul/ports';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { builtCommand, cleanEnv } from '../cli/built-command';
import { fencesOf, root } from './fences';

/** `stable 951, canary 49, failed 0; a tester: canary`. */
interface Counted {
  readonly stable: number;
  readonly canary: number;
  readonly failed: number;
  readonly tester: string;
}

const PAGE = 'docs/first-call.md';
const LINE = /^stable (\d+), canary (\d+), failed (\d+); a tester: (\w+)$/;
const children = new Set<ChildProcess>();
let folder: string;
let ports: readonly number[];
let output = '';
let complaints = '';

beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true });
  folder = await mkdtemp(join(root, '.cache', 'first-call-'));
  ports = await freePorts('127.0.0.1', 2);
  await mkdir(join(folder, 'node_modules', '@grpc'), { recursive: true });
  await symlink(root, join(folder, 'node_modules', 'graylane'));
  for (const name of ['grpc-js', 'proto-loader']) {
    await symlink(join(root, 'node_modules', '@grpc', name), join(folder, 'node_modules', '@grpc', name));
  }
  for (const { text } of fencesOf(PAGE)) {
    const name = /^(?:\/\/|#) ([\w-]+\.(?:mjs|yaml|proto))\n/.exec(text)?.[1];
    if (name !== undefined) await writeFile(join(folder, name), placed(text));
  }
});

afterAll(async () => {
  await stopAll();
  await rm(folder, { recursive: true });
});

describe('the first call, as the page tells it', () => {
  let canary: ChildProcess;

  it('gives 5 % of the users the canary, always the same', async () => {
    await serve('stable');
    canary = await serve('canary');
    follow(start(['client.mjs']));
    const [first, second] = await counted(2);
    expect(first).toMatchObject({ failed: 0, tester: 'canary' });
    expect(first?.canary).toBeGreaterThan(20);
    expect(first?.canary).toBeLessThan(80);
    expect(second).toEqual(first);
  });

  it('shows the figures that a reader gets', async () => {
    const [first] = await counted(1);
    expect(fencesOf(PAGE).find(({ text }) => LINE.test(text.split('\n')[0] ?? ''))?.text).toContain(
      `stable ${first?.stable}, canary ${first?.canary},`,
    );
  });

  it('moves the weight while everything runs', async () => {
    const file = join(folder, 'payments.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('weight: 95', 'weight: 75').replace('weight: 5 ', 'weight: 25 '));
    await expect.poll(async () => (await counted(1))[0]?.canary).toBeGreaterThan(200);
    const [{ stable, canary: moved } = { stable: 0, canary: 0 }] = await counted(1);
    expect(fencesOf(PAGE).map((fence) => fence.text)).toContain(
      `stable ${stable}, canary ${moved}, failed 0; a tester: canary`,
    );
  });

  it('goes on by the former policy when the file is wrong, and says what is', async () => {
    const file = join(folder, 'payments.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('weight: 25', 'weight: -1'));
    const told = fencesOf(PAGE).find((fence) => fence.text.startsWith('payments.yaml:'))?.text;
    await expect.poll(() => complaints).toContain(told);
    const [first] = await counted(1);
    expect(first?.canary).toBeGreaterThan(200);
    await writeFile(file, text);
  });

  it('has stable serve when the canary is gone', async () => {
    await stop(canary);
    await expect
      .poll(async () => (await counted(1))[0])
      .toEqual({ stable: 1000, canary: 0, failed: 0, tester: 'stable' });
    await serve('canary');
    await expect.poll(async () => (await counted(1))[0]?.canary, { timeout: 60_000 }).toBeGreaterThan(200);
  });
});

describe('the first call with Consul', () => {
  let consul: ConsulCluster;
  let binary: string;
  let env: Readonly<Record<string, string>>;
  beforeAll(async () => {
    consul = await startConsul({ datacenters: ['dc1'] });
    binary = await obtainConsul();
    env = { CONSUL_HTTP_ADDR: consul.dc('dc1').address };
  });
  afterAll(() => consul.stop());

  const command = (line: string): string => {
    const own = line.replace('npx graylane', `${process.execPath} ${builtCommand}`).replace(/^consul /, `${binary} `);
    return execFileSync('sh', ['-c', own], { cwd: folder, env: { ...cleanEnv(), ...env }, encoding: 'utf8' });
  };
  const lines = fencesOf(PAGE).flatMap(({ text }) => text.split('\n'));

  it('has instances and policy from there, and moves the weight by a command', async () => {
    await stopAll();
    await serve('stable');
    await serve('canary');
    const registered = lines.filter((line) => line.startsWith('consul services register'));
    expect(registered).toHaveLength(2);
    for (const line of registered) command(placed(line));
    const policy = fencesOf(PAGE).find(({ text }) => text.startsWith('# payments.yaml'))?.text ?? '';
    await writeFile(join(folder, 'payments.yaml'), policy);
    const [apply = '', weight = '', rollback = ''] = lines.filter((line) => /^npx graylane (policy|weight)/.test(line));
    expect(command(apply)).toContain('written local: number 1');
    const client = await readFile(join(folder, 'client.mjs'), 'utf8');
    const short = client.replace(/createGraylane\(\{[\s\S]*?\n\}\);/, 'createGraylane();');
    expect(fencesOf(PAGE).map(({ text }) => text)).toContain(/^const graylane = .*$/m.exec(short)?.[0]);
    await writeFile(join(folder, 'client.mjs'), short);
    follow(start(['client.mjs'], env));
    await expect.poll(async () => (await counted(1))[0]?.canary).toBeLessThan(80);
    expect((await counted(1))[0]).toMatchObject({ failed: 0, tester: 'canary' });
    expect(command(weight)).toContain('weight: 5 -> 25');
    await expect.poll(async () => (await counted(1))[0]?.canary).toBeGreaterThan(200);
    expect(command(rollback)).toContain('weight: 25 -> 5');
    await expect.poll(async () => (await counted(1))[0]?.canary).toBeLessThan(80);
    expect(command('npx graylane doctor payments')).toContain('2 of 2 usable');
  });
});

async function serve(version: 'stable' | 'canary'): Promise<ChildProcess> {
  const child = start(['server.mjs', version, String(ports[version === 'stable' ? 0 : 1])]);
  const [said] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  expect(String(said)).toContain(`${version} serves at`);
  return child;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stderr.on('data', (chunk) => {
    complaints += String(chunk);
  });
  children.add(child);
  return child;
}

function follow(client: ChildProcess): void {
  client.stdout?.on('data', (chunk) => {
    output += String(chunk);
  });
}

async function stopAll(): Promise<void> {
  await Promise.all([...children].map(stop));
}

async function stop(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}

/** The next lines that the client says. */
async function counted(lines: number): Promise<readonly Counted[]> {
  output = '';
  await expect.poll(() => output.split('\n').length, { timeout: 30_000 }).toBeGreaterThan(lines);
  const said = output.split('\n').slice(0, lines);
  return said.map((line) => {
    const [, stable, canary, failed, tester] = LINE.exec(line) ?? [];
    return { stable: Number(stable), canary: Number(canary), failed: Number(failed), tester: `${tester}` };
  });
}

/** The page's ports are a reader's; here others may have them. */
function placed(text: string): string {
  return text.replaceAll('50051', String(ports[0])).replaceAll('50052', String(ports[1]));
}
