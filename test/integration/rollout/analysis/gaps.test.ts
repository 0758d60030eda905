import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { measureRollout } from '../../../../src/ops/rollout/analysis/measure-rollout';
import { callsOf } from '../../../../src/ops/rollout/analysis/subset-metrics';
import { NO_CONFIG } from '../../../../src/ops/rollout/config/controller-config';
import type { RolloutDocument } from '../../../../src/ops/rollout/document';
import { closeAfterAll } from '../../../support/closers';
import { printFact } from '../../../support/figure';
import { isLong } from '../../../support/slice';
import { promtool, startPrometheus } from '../../telemetry/prometheus-process';
import { KINDS, linesOf, type Pattern, patternOf, truthOf, WINDOW_MS } from './gap-patterns';

const PATTERNS = Array.from({ length: isLong ? 200 : 2 * KINDS.length }, (_, seed) => patternOf(seed));
/** Some time ago, so that all of it is past. */
const BEGIN_MS = Math.floor(Date.now() / 1_000) * 1_000 - 4 * 3_600_000;

const afterTests = closeAfterAll();
let url = '';

/** Prometheus with the series of all patterns, as if it had scraped them. */
beforeAll(async () => {
  const folder = afterTests(await mkdtemp(join(tmpdir(), 'graylane-gaps-')), (path) =>
    rm(path, { recursive: true, force: true }),
  );
  const lines = new Map<string, string[]>();
  for (const pattern of PATTERNS) {
    for (const [metric, line] of linesOf(pattern, BEGIN_MS)) {
      const known = lines.get(metric);
      if (known === undefined) lines.set(metric, [line]);
      else known.push(line);
    }
  }
  const file = join(folder, 'series.txt');
  const out = createWriteStream(file);
  for (const [metric, own] of lines) {
    out.write(`# TYPE ${metric} unknown\n`);
    for (const line of own) out.write(`${line}\n`);
  }
  out.end('# EOF\n');
  await finished(out);
  expect(await promtool('tsdb', 'create-blocks-from', 'openmetrics', '--quiet', file, join(folder, 'data'))).toBe('');
  const prometheus = afterTests(await startPrometheus({ data: join(folder, 'data') }), (each) => each.stop());
  url = prometheus.url;
}, 120_000);

async function measure({ service }: Pattern, sinceMs: number) {
  const document: RolloutDocument = {
    ...{ schema: 1, service, canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }] },
    analysis: { provider: 'metrics' },
  };
  const config = { ...NO_CONFIG, providers: new Map([['metrics', { prometheus: { address: url } }]]) };
  const request = { service, canary: 'canary', stable: 'stable', sinceMs, nowMs: BEGIN_MS + WINDOW_MS };
  return measureRollout(document, request, { config, env: {} });
}

describe('figures of a real Prometheus, of series that begin, lapse, restart and vanish', { timeout: 120_000 }, () => {
  it('are within 1 % of the truth, or there are none, and nothing from outside of the window', async () => {
    let none = 0;
    let whole = 0;
    let worst = 0;
    const judge = async (pattern: Pattern): Promise<void> => {
      let sinceMs = BEGIN_MS;
      const where = `${pattern.service}: ${pattern.kind} ${JSON.stringify(pattern)}`;
      for (let look = 0; ; look += 1) {
        const figures = await measure(pattern, sinceMs);
        if ('error' in figures) {
          none += 1;
          expect(figures.error, where).toMatch(
            /^provider metrics: no figures: \{instance=\S+, job=orders\} was not scraped for \d+\.\d s/,
          );
          expect(figures.wholeFromMs, where).toBeGreaterThan(sinceMs);
          expect(look, where).toBeLessThan(4);
          sinceMs = figures.wholeFromMs ?? 0;
          continue;
        }
        whole += 1;
        const { canary, stable } = figures;
        const truth = truthOf(pattern, sinceMs - BEGIN_MS);
        const measured = {
          canary: (canary?.calls ?? 0) - (canary?.failures ?? 0),
          failed: canary?.failures ?? 0,
          stable: (stable?.calls ?? 0) - (stable?.failures ?? 0),
        };
        for (const key of ['canary', 'failed', 'stable'] as const) {
          const { all, unseen } = truth[key];
          expect(measured[key], `${key} of ${where}`).toBeLessThanOrEqual(all + 3);
          expect(measured[key], `${key} of ${where}`).toBeGreaterThanOrEqual(0.99 * (all - unseen) - 3);
          if (key === 'stable') worst = Math.max(worst, (all - unseen - measured[key]) / Math.max(1, all));
        }
        const timed = canary?.durations === undefined ? 0 : callsOf(canary.durations);
        expect(timed, where).toBeLessThanOrEqual(truth.canary.all + truth.failed.all + 6);
        break;
      }
    };
    const left = [...PATTERNS];
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await judge(next);
    };
    await Promise.all([work(), work(), work()]);
    printFact(
      `${PATTERNS.length} patterns of gaps`,
      `${whole} measured, at most ${(100 * worst).toFixed(2)} % short of what scrapes saw; ${none} times no figures, and counted from the end of the gap`,
    );
    expect(whole).toBe(PATTERNS.length);
    expect(none).toBeGreaterThan(PATTERNS.length / 20);
  });
});
