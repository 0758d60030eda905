import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type ConsulCluster, type StartConsulOptions, startConsul } from '../../support/consul/start';
import { graySplit } from '../../support/gray-policy';
import { type CommandEnded, type CommandSettings, graylane, graylaneJson } from './built-command';

/** Two federated datacenters and a folder for files, for all tests of a file. */
export interface CommandWorld {
  readonly consul: ConsulCluster;
  /** Runs the built command against dc1, as `settings.env` may override. */
  run(args: readonly string[], settings?: CommandSettings): Promise<CommandEnded>;
  runJson<T>(args: readonly string[], settings?: CommandSettings): Promise<CommandEnded & { readonly json: T }>;
  /** Writes a file and returns its path. A value other than text and bytes is written as JSON. */
  file(name: string, content: unknown): string;
  /** Writes files below a folder of this name, which may be there already, and returns its path. */
  folder(name: string, files: Readonly<Record<string, unknown>>): string;
  /** What stands under a key in a datacenter. */
  kv(key: string, datacenter?: string): Promise<string | undefined>;
}

export function commandWorld(options: StartConsulOptions = {}): CommandWorld {
  let consul: ConsulCluster | undefined;
  let folder = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'graylane-cli-'));
    consul = await startConsul({ datacenters: ['dc1', 'dc2'], ...options });
  });
  afterAll(async () => {
    await consul?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const started = (): ConsulCluster => {
    if (consul === undefined) throw new Error('Consul is not up yet');
    return consul;
  };
  const withAddress = (settings: CommandSettings = {}): CommandSettings => {
    const { address, token } = started().dc('dc1');
    const own = { CONSUL_HTTP_ADDR: address, ...(token === undefined ? {} : { CONSUL_HTTP_TOKEN: token }) };
    return { ...settings, env: { ...own, ...settings.env } };
  };
  return {
    get consul() {
      return started();
    },
    run: (args, settings) => graylane(args, withAddress(settings)),
    runJson: (args, settings) => graylaneJson(args, withAddress(settings)),
    file: (name, content) => write(join(folder, name), content),
    folder(name, files) {
      const path = join(folder, name);
      mkdirSync(path, { recursive: true });
      for (const [below, content] of Object.entries(files)) write(join(path, below), content);
      return path;
    },
    async kv(key, datacenter = 'dc1') {
      try {
        return await (await started().dc(datacenter).request('GET', `/v1/kv/${key}?raw`)).text();
      } catch (error) {
        if (String(error).includes(': 404')) return undefined;
        throw error;
      }
    },
  };
}

function write(path: string, content: unknown): string {
  const isRaw = typeof content === 'string' || Buffer.isBuffer(content);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, isRaw ? content : JSON.stringify(content));
  return path;
}

/** A policy with one sticky split, as `change` makes it. */
export function policyOf(service: string, canaryPercent = 5, change: object = {}): Record<string, unknown> {
  return {
    schema: 1,
    service,
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    default: 'stable',
    routes: [
      {
        name: 'everyone',
        split: graySplit(canaryPercent),
        stickBy: 'x-user-id',
      },
    ],
    ...change,
  };
}
