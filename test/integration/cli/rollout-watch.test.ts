import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startLive } from './live-command';
import { startInTerminal } from './terminal-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld({ datacenters: ['dc1'] });
let figures = '';

/** What the rollout is told next: failures of 1,000 canary calls, and in which bucket of durations they are. */
function measure(failures: number, slow: number): void {
  const side = (failed: number, late: number): object => ({
    calls: 1000,
    failures: failed,
    openBreakers: 0,
    durations: { boundsMs: [10, 20, 40], counts: [0, 1000 - late, late, 0] },
  });
  writeFileSync(figures, JSON.stringify({ canary: side(failures, slow), stable: side(2, 5) }));
}

const address = (): { readonly CONSUL_HTTP_ADDR: string } => ({
  CONSUL_HTTP_ADDR: world.consul.dc('dc1').address,
});

/** A rollout that measures five times a second until it is promoted, and a controller that drives it. */
async function begin(service: string, weights: readonly number[] = [50]): Promise<void> {
  await world.consul.dc('dc1').putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 0)));
  for (const [at, tag] of ['stable', 'canary'].entries()) {
    await world.consul.dc('dc1').register({ name: service, id: `${service}-${tag}`, port: 4300 + at, tags: [tag] });
  }
  const run = [process.execPath, '-e', `process.stdout.write(fs.readFileSync(${JSON.stringify(figures)}))`];
  const config = world.file('controller.json', { schema: 1, providers: { script: { command: { run } } } });
  const document = {
    ...{ schema: 1, service, canary: 'canary', stable: 'stable' },
    steps: [{ setWeight: 5 }, { analysis: { count: 1000 } }, ...weights.map((setWeight) => ({ setWeight }))],
    analysis: { intervalMs: 200, provider: 'script' },
  };
  const started = await world.run(['rollout', 'start', service, '--file', world.file(`${service}.json`, document)]);
  expect(started.code).toBe(0);
  const controller = startLive(['rollout', 'run', service, '--config', config], address());
  onTestFinished(() => controller.kill());
}

async function until(what: () => string, holds: (shown: string) => boolean): Promise<string> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const shown = what();
    if (holds(shown)) return shown;
    if (performance.now() > deadline) throw new Error(`not within 15 s; there was:\n${shown}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('graylane rollout status --watch', { timeout: 60_000 }, () => {
  beforeAll(() => {
    figures = world.file('figures.json', '');
    measure(2, 5);
  });

  it('is redrawn in a terminal, with the trends of canary and stable, until the rollout has ended', async () => {
    await begin('shown');
    const watching = startInTerminal(['rollout', 'status', 'shown', '--watch'], address(), { columns: 100, rows: 40 });
    onTestFinished(() => watching.kill());
    const last = (): string => watching.frames().at(-1) ?? '';
    await until(last, (frame) => frame.includes('canary 99.80 % '));
    measure(7, 30);
    // A terminal hands a frame over in pieces: it is whole with its last line.
    const frame = await until(last, (shown) => /canary 99\.30 % █+▁+ /.test(shown) && / 33\.3 ms .*\r\n/.test(shown));
    expect(frame).toMatch(
      /^shown \S+ {2}running, step 2 of 3, canary at 5 %\r\n {2}started \d+ s ago by .*; driven by /,
    );
    expect(frame).toMatch(/ {2}✓ 1 {2}canary to 5 %\r\n {2}▶ 2 {2}analysis\r\n {4}3 {2}canary to 50 %\r\n/);
    expect(frame).toMatch(/request-success-rate {2}(pass|undecided) .*canary failed 7 of 1,000/s);
    expect(frame).toMatch(/canary 99\.30 % █+▁+ {3}stable 99\.80 % ▁+\r\n/);
    expect(frame).toMatch(/canary 33\.3 ms ▁+█+ {3}stable 19\.9 ms ▁+\r\n/);
    expect(watching.text).toContain('\u001b[36m');
    expect(await world.run(['rollout', 'promote', 'shown'])).toMatchObject({ code: 0 });
    expect(await watching.ended).toBe(0);
    expect(last()).toMatch(/^shown \S+ {2}completed, all 3 steps done, canary at 100 %/);
    expect(watching.frames().length).toBeGreaterThan(2);
    // The screen was cleared, not scrolled: each frame is the whole view.
    for (const each of watching.frames()) expect(each.startsWith('shown ')).toBe(true);
  });

  it('fits a small screen, goes away at Ctrl-C and leaves the rollout alone', async () => {
    measure(7, 30);
    await begin('left', [10, 20, 30, 40, 50]);
    const size = { columns: 80, rows: 15 };
    const watching = startInTerminal(['rollout', 'status', 'left', '--watch'], address(), size);
    onTestFinished(() => watching.kill());
    const frame = await until(
      () => watching.frames().at(-1) ?? '',
      (shown) => shown.includes('canary 33.3 ms'),
    );
    expect(frame).toMatch(/ {2}▶ 2 {2}analysis\r\n {4}… 5 after/);
    const height = frame.split('\r\n').reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 80)), 0);
    expect(height).toBeLessThanOrEqual(size.rows);
    watching.type('\u0003');
    expect(await watching.ended).toBe(0);
    expect((await world.run(['rollout', 'status', 'left'])).stdout).toContain('running, step 2 of 7');
  });

  it('is a line for each change in a pipe, and with --json an object a line', async () => {
    measure(7, 30);
    await begin('piped');
    const plain = startLive(['rollout', 'status', 'piped', '--watch'], address());
    onTestFinished(() => plain.kill());
    const json = startLive(['rollout', 'status', 'piped', '--watch', '--json'], address());
    onTestFinished(() => json.kill());
    await plain.line(/running, step 2 of 3, canary at 5 %/);
    await json.line(/"request-duration p99"/);
    expect((await world.run(['rollout', 'abort', 'piped', '-m', 'enough'])).code).toBe(0);
    await plain.line(/aborted \(aborted by .*: enough\), step 2 of 3, canary at 0 %/);
    await json.line(/"kind":"aborted"/);
    expect([await plain.ended, await json.ended]).toEqual([3, 3]);
    expect(plain.lines.join('')).not.toMatch(/\p{Cc}/u);
    for (const line of plain.lines) expect(line).toMatch(/^\d{4}-\S+Z piped \w/);
    const measured = json.lines.map((line) => JSON.parse(line)).findLast(({ results }) => results.length > 0);
    expect(measured).toMatchObject({ service: 'piped', weight: expect.any(Number), steps: expect.any(Array) });
    const [rate, duration] = measured.results.at(-1).checks;
    expect(rate).toMatchObject({ check: 'request-success-rate', figures: { canary: 0.007, stable: 0.002 } });
    expect(duration).toMatchObject({ check: 'request-duration p99', figures: { stable: expect.any(Number) } });
  });
});
