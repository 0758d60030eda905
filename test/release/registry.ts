import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../src/base/sleep';
import { npm } from '../integration/packaging/pack';
import { freePorts } from '../support/consul/ports';

export interface LocalRegistry {
  readonly url: string;
  /** A file for npm's `--userconfig`: this registry, and a token that it takes. */
  readonly userConfig: string;
  stop(): Promise<void>;
}

/**
 * A Verdaccio on a free port of loopback, with its files in `folder`. It holds what is published to it, and passes
 * everything else on to the registry that npm uses here.
 */
export async function startRegistry(folder: string): Promise<LocalRegistry> {
  mkdirSync(folder, { recursive: true });
  const program = join(__dirname, 'registry');
  npm(['ci', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'], program);
  const [port] = await freePorts('127.0.0.1', 1);
  const url = `http://127.0.0.1:${port}/`;
  const config = {
    storage: join(folder, 'storage'),
    uplinks: { others: { url: npm(['config', 'get', 'registry'], folder).trim(), timeout: '60s', max_fails: 10 } },
    packages: {
      graylane: { access: '$all', publish: '$all' },
      '**': { access: '$all', proxy: 'others' },
    },
    log: { type: 'stdout', format: 'json', level: 'warn' },
  };
  const configFile = join(folder, 'config.json');
  writeFileSync(configFile, JSON.stringify(config));
  const userConfig = join(folder, 'npmrc');
  writeFileSync(userConfig, `registry=${url}\n//127.0.0.1:${port}/:_authToken=dry-run\n`);
  const args = [
    join(program, 'node_modules', 'verdaccio', 'bin', 'verdaccio'),
    '-c',
    configFile,
    '-l',
    `127.0.0.1:${port}`,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data));
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill();
    await exited;
  };
  const until = performance.now() + 60_000;
  while (!(await answers(`${url}-/ping`))) {
    if (child.exitCode !== null || performance.now() > until) {
      await stop();
      throw new Error(`verdaccio does not answer at ${url}\n${output}`);
    }
    await sleep(200);
  }
  return { url, userConfig, stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}
