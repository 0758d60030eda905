import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../support/consul/ports';

const HOW = 'not found (expected: Debian package prometheus, or the download of the same name, on PATH)';

/** A Prometheus that scrapes its targets five times a second. */
export interface PrometheusProcess {
  readonly url: string;
  /** Values of an instant query, by the labels of each. */
  query(expression: string): Promise<readonly { readonly labels: Record<string, string>; readonly value: number }[]>;
  stop(): Promise<void>;
}

/**
 * Resolves when each target has been scraped. `data`: a folder of blocks that it begins with, in place of targets; it stays.
 */
export async function startPrometheus(
  ...from: readonly string[] | readonly [{ readonly data: string }]
): Promise<PrometheusProcess> {
  const [first] = from;
  const given = typeof first === 'object' ? first.data : undefined;
  const targets = from.filter((each) => typeof each === 'string');
  if (spawnSync('prometheus', ['--version']).error !== undefined) throw new Error(`prometheus: ${HOW}`);
  const folder = await mkdtemp(join(tmpdir(), 'graylane-prometheus-'));
  const config = {
    global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
    scrape_configs: [{ job_name: 'graylane', static_configs: [{ targets }] }],
  };
  // YAML takes JSON as it is.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const [port] = await freePorts('127.0.0.1', 1);
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${given ?? join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
      // Blocks that were written have no marks where a series ends.
      ...(given === undefined ? [] : ['--query.lookback-delta=20s']),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const killNow = (): void => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const gone = once(child, 'exit').then(() => process.off('exit', killNow));
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/-/ready`).then(({ ok }) => ok));
  // It takes up to 5 s to begin, and rate() knows nothing of what was counted before.
  const up = `${url}/api/v1/query?query=${encodeURIComponent('up')}`;
  await until(async () => ((await (await fetch(up)).json()) as Answer).data.result.length >= targets.length);
  return {
    url,
    async query(expression) {
      const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
      const { status, error, data } = (await response.json()) as Answer;
      if (status !== 'success') throw new Error(`${expression}: ${error}`);
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async stop() {
      child.kill('SIGTERM');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Runs promtool; what it says when it is not content. The process goes on meanwhile: other tests of it have calls out. */
export function promtool(...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('promtool', args, (error, stdout, stderr) => {
      if (error === null) resolve('');
      else if (typeof error.code === 'number') resolve(`${stdout}${stderr}`);
      else reject(new Error(`promtool: ${HOW}`));
    });
  });
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: { metric: Record<string, string>; value: [number, string] }[] };
}

async function until(check: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (performance.now() < end) {
    if (await check().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('prometheus is not ready after 20 s');
}
