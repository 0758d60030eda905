import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ServiceCharts } from '../../../src/ops/console/answers';
import { useBrowser } from '../../support/browser';
import { printFact } from '../../support/figure';
import { graySplit } from '../../support/gray-policy';
import { startLive } from '../cli/live-command';
import { policyOf } from '../cli/two-datacenters';
import { liveWorld, type ServedService } from '../rollout/end-to-end/live-world';

const SERVICE = 'payments';
const world = liveWorld([SERVICE]);
const browser = useBrowser();
let served: ServedService;

beforeAll(async () => {
  const policy = world.file('policy.json', {
    ...policyOf(SERVICE, 0),
    routes: [{ name: 'everyone', split: graySplit(0) }],
  });
  expect((await world.run(['policy', 'apply', policy, '-m', 'nothing for the canary yet'])).code).toBe(0);
  served = await world.serve(SERVICE, { callsPerSecond: 60 });
});

/** A controller with the console on its port, driving a rollout whose figures a real Prometheus gives. */
async function begin(): Promise<{ readonly address: string; end(): Promise<void> }> {
  const config = world.file('controller.json', {
    schema: 1,
    providers: { metrics: { prometheus: { address: world.prometheusUrl } } },
  });
  const analysis = {
    provider: 'metrics',
    intervalMs: 500,
    minimumCalls: 5,
    count: 2,
    inconclusiveLimit: 200,
    background: false,
    checks: [{ check: 'request-success-rate' }],
  };
  const steps = [
    { setWeight: 30 },
    { analysis: { acceptance: 'unrefuted' } },
    { approval: { note: 'the product owner' } },
    { setWeight: 60 },
    { pause: {} },
  ];
  const rollout = world.file('rollout.json', {
    schema: 1,
    service: SERVICE,
    canary: 'canary',
    stable: 'stable',
    steps,
    analysis,
  });
  const started = await world.run(['rollout', 'start', SERVICE, '--file', rollout]);
  expect([started.code, started.stderr]).toEqual([0, expect.anything()]);
  const args = [
    '--listen',
    '127.0.0.1:0',
    '--console',
    '--console-prometheus',
    world.prometheusUrl,
    '--config',
    config,
  ];
  const env = { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address };
  const controller = startLive(['rollout', 'run', SERVICE, ...args], env);
  const line = await controller.note(/the console is at http/);
  return { address: /http:\S+/.exec(line)?.[0] ?? '', end: async () => void (await controller.interrupt()) };
}

interface Status {
  readonly state: { readonly kind: string };
  readonly step: number;
  readonly weight: number;
  readonly results: readonly { readonly checks: readonly { readonly message: string }[] }[];
}

async function status(): Promise<Status> {
  const { json } = await world.runJson<readonly Status[]>(['rollout', 'status', SERVICE]);
  return json[0] ?? expect.fail('no rollout');
}

async function act(page: Page, name: string, why: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  await page.getByRole('dialog').getByLabel('Why').fill(why);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

describe("the console on a controller's port", { timeout: 120_000 }, () => {
  it('shows a rollout, its figures and who follows as they are, and controls it', async () => {
    const controller = await begin();
    const page = await browser.open(`${controller.address}#/services/${SERVICE}?part=rollout`);
    const current = page.locator('[aria-current="step"]');
    await expect.poll(() => current.innerText(), { timeout: 40_000 }).toBe('approval: the product owner');
    const paused = await status();
    expect(paused).toMatchObject({ state: { kind: 'paused' }, step: 2, weight: 30 });
    await page.getByText('canary at 30 %', { exact: true }).waitFor();
    const [check] = paused.results.at(-1)?.checks ?? [];
    await page
      .getByText(check?.message ?? 'no figures')
      .first()
      .waitFor();

    // What Prometheus shows is what the servers answered, as far as chance goes.
    let charts: ServiceCharts | undefined;
    await expect
      .poll(async () => {
        const answer = await fetch(`${controller.address}api/services/${SERVICE}/charts?minutes=5`);
        charts = ((await answer.json()) as { result: ServiceCharts }).result;
        return charts.perSecond.map(({ subset }) => subset);
      })
      .toEqual(['canary', 'stable']);
    const last = (subset: string): number =>
      charts?.perSecond.find((line) => line.subset === subset)?.values.findLast((value) => value !== null) ?? 0;
    expect(last('stable')).toBeGreaterThan(0);
    await page.getByRole('link', { name: 'Fleet' }).click();
    await page.getByText('1 of 1 follow').waitFor();
    await page.getByRole('img', { name: /^Attempts a second: canary [\d.]+, stable [\d.]+$/ }).waitFor();
    await page.getByRole('link', { name: 'Rollout' }).click();

    await act(page, 'Approve', 'seen by the product owner');
    await expect.poll(async () => (await status()).step, { timeout: 20_000 }).toBe(4);
    await page.getByText('canary at 60 %', { exact: true }).waitFor();
    await expect.poll(() => shareOf('canary'), { timeout: 20_000 }).toBeGreaterThan(0.5);
    const share = shareOf('canary');
    await act(page, 'Abort: weight 0', 'incident 42');
    await page.getByText('taken back').first().waitFor();
    expect(await status()).toMatchObject({ state: { kind: 'aborted' }, weight: 0 });
    await expect.poll(() => shareOf('canary'), { timeout: 20_000 }).toBe(0);
    const { json } = await world.runJson<{ transitions: { at: string; event: string }[] }>([
      'rollout',
      'history',
      SERVICE,
    ]);
    const rows = page.getByRole('region', { name: 'What happened' }).locator('tbody tr');
    await expect.poll(() => rows.count()).toBe(json.transitions.length);
    const events = await rows.locator('td:nth-child(2)').allInnerTexts();
    expect(events).toEqual(json.transitions.map(({ event }) => event).reverse());
    printFact(
      'the console',
      `canary ${Math.round(share * 100)} % of the answers at 60 %, ${served.load.lost} calls lost`,
    );

    // What the controller's port is for beside it goes on.
    expect(await (await fetch(`${controller.address}metrics`)).text()).toContain('graylane_rollout_ended_total');
    expect((await fetch(`${controller.address}figures/${SERVICE}`, { method: 'POST' })).status).toBe(410);
    await page.close();
    await controller.end();
  });

  it('shows instances as they come and go', async () => {
    const agent = world.consul.dc('dc1');
    const alone = startLive(['console', '--listen', '127.0.0.1:0'], { CONSUL_HTTP_ADDR: agent.address });
    const address = /http:\S+\d/.exec(await alone.line(/the console is at/))?.[0] ?? '';
    const page = await browser.open(`${address}/#/services/${SERVICE}`);
    await page.getByText('4 in all').waitFor();
    await agent.setStatus(`stable-${SERVICE}-1`, 'critical');
    await page.getByText('critical').first().waitFor();
    await agent.deregister(`canary-${SERVICE}-2`);
    await page.getByText('3 in all').waitFor();
    await page.close();
    expect(await alone.interrupt()).toBe(0);
  });
});

function shareOf(version: string): number {
  const last = served.load.versions(200);
  return last.filter((each) => each === version).length / last.length;
}
