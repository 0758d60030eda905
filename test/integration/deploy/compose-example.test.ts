import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { freePorts } from '../../support/consul/ports';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { builtCommand, cleanEnv } from '../cli/built-command';
import { root } from '../docs/fences';

interface ComposeService {
  readonly command?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

const example = join(root, 'examples', 'compose');
const services: Readonly<Record<string, ComposeService>> = parseYaml(
  readFileSync(join(example, 'compose.yaml'), 'utf8'),
  { merge: true },
).services;

describe('compose.yaml', () => {
  it('names files that are there', () => {
    for (const { build, volumes = [], command = '' } of Object.values(services)) {
      const files = [
        ...volumes.map((volume) => join(example, volume.split(':')[0] ?? '')),
        ...(build === undefined ? [] : [join(example, build.context, build.dockerfile)]),
        ...[...command.matchAll(/\S+\.(?:mjs|yaml)/g)].map(([file]) => join(example, file)),
      ];
      expect(files.filter((file) => !existsSync(file))).toEqual([]);
    }
  });

  it('waits for services that are there, and listens on loopback alone', () => {
    for (const { depends_on: waited = {}, ports = [] } of Object.values(services)) {
      expect(Object.keys(waited).filter((name) => services[name] === undefined)).toEqual([]);
      expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    }
  });

  it('has Prometheus and Grafana find what they show', async () => {
    const config = parseYaml(readFileSync(join(example, 'prometheus.yml'), 'utf8'));
    const [target] = config.scrape_configs[0].static_configs[0].targets;
    expect(services[target.split(':')[0]]).toBeDefined();
    const source = parseYaml(readFileSync(join(example, 'grafana/datasources/prometheus.yaml'), 'utf8')).datasources[0];
    expect(services[new URL(source.url).hostname]).toBeDefined();
    const folder = await mkdtemp(join(root, '.cache', 'compose-'));
    try {
      await copyFile(join(example, 'prometheus.yml'), join(folder, 'prometheus.yml'));
      await copyFile(join(root, 'examples', 'telemetry', 'alerts.yml'), join(folder, 'alerts.yml'));
      const args = ['check', 'config', join(folder, 'prometheus.yml')];
      expect(execFileSync('promtool', args, { encoding: 'utf8' })).toContain('SUCCESS');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the programs in the containers', () => {
  const children = new Set<ChildProcess>();
  let consul: ConsulCluster;
  let folder: string;

  beforeAll(async () => {
    consul = await startConsul();
    await mkdir(join(root, '.cache'), { recursive: true });
    folder = await mkdtemp(join(root, '.cache', 'compose-'));
    // As the Dockerfile lays them out; packages are found in the repository, two folders above.
    await mkdir(join(folder, 'node_modules'));
    await symlink(root, join(folder, 'node_modules', 'graylane'));
    for (const name of ['server.mjs', 'client.mjs', 'payments.yaml']) {
      await copyFile(join(example, name), join(folder, name));
    }
    await copyFile(join(root, 'proto', 'payments.proto'), join(folder, 'payments.proto'));
  });

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await consul.stop();
    await rm(folder, { recursive: true });
  });

  function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...cleanEnv(), CONSUL_HTTP_ADDR: consul.dc('dc1').address, GRAYLANE_ADDRESS: '127.0.0.1', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(child);
    return child;
  }

  it('write the policy, serve, call, report, and leave in order', async () => {
    const written = services['policy']?.command?.replace('npx graylane', '') ?? '';
    for (const time of ['first', 'again']) {
      const [code] = await once(start([builtCommand, ...words(written)]), 'close');
      expect(code, time).toBe(0);
    }
    const [stablePort, canaryPort, metricsPort, adminPort] = (await freePorts('0.0.0.0', 4)).map(String);
    const servers = [
      ['stable', `${stablePort}`],
      ['canary', `${canaryPort}`],
    ].map(async (args) => {
      const server = start(['server.mjs', ...args]);
      // One that cannot serve ends, and says nothing.
      expect(await Promise.race([once(server.stdout ?? server, 'data').then(String), once(server, 'close')])).toContain(
        'serves at',
      );
      return server;
    });
    const [, canary] = await Promise.all(servers);
    const client = start(['client.mjs'], { METRICS_PORT: `${metricsPort}`, ADMIN_PORT: `${adminPort}` });
    let said = '';
    client.stdout?.on('data', (chunk) => {
      said = String(chunk).trim().split('\n').at(-1) ?? '';
    });
    await expect.poll(() => said, { timeout: 30_000 }).toMatch(/"canary":\d+/);
    expect(said).toMatch(/"stable":\d+/);

    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(metrics).toContain('graylane_endpoints{');
    const state = await (await fetch(`http://127.0.0.1:${adminPort}/inspect`)).json();
    expect(state).toMatchObject({ services: [{ service: 'payments' }] });

    canary?.kill('SIGTERM');
    expect(await once(canary ?? client, 'close')).toEqual([0, null]);
    client.kill('SIGTERM');
    expect(await once(client, 'close')).toEqual([0, null]);
    const answered: Record<string, number> = JSON.parse(said);
    expect(Object.keys(answered).filter((who) => !['stable', 'canary'].includes(who))).toEqual([]);
  });
});

/** `policy apply payments.yaml -m 'the first policy'` as a shell parts it. */
function words(line: string): readonly string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}
