import { expect, it } from 'vitest';
import { consoleHandler } from '../../../src/cli/console/run-console';
import type { ServiceCharts } from '../../../src/ops/console/answers';
import { listenForPeople } from '../../../src/ops/console/listen';
import { useBrowser } from '../../support/browser';
import { closeAfterAll } from '../../support/closers';
import { CHARGE } from '../../support/payments';
import { runHere } from '../cli/in-process';
import { startWorld } from '../page/world';
import { textIn } from './editing';
import { testIo } from './test-io';

const closing = closeAfterAll();
const browser = useBrowser();
const ROLLOUT = 'The rollout, as YAML';

interface Health {
  readonly Service: { readonly ID: string };
  readonly Checks: readonly { readonly Status: string }[];
}

it('says what Consul, inspect(), explain() and the servers say, while instances are killed and a rollout runs', async () => {
  const { consul, graylane, servers, base, call } = await startWorld(closing);
  const agent = consul.dc('dc1');
  const env = { CONSUL_HTTP_ADDR: agent.address };
  const handler = consoleHandler({ url: [new URL(base)] }, testIo(env, []));
  const { port } = closing(await listenForPeople('127.0.0.1', 0, handler), (listener) => listener.close());
  const page = await browser.open(`http://127.0.0.1:${port}/#/services/payments`, { allowed: /status of 409/ });
  await page.getByText('4 in all').waitFor();
  await call(200);
  const underLoad = call(300);
  servers.get('stable-2')?.kill();
  await underLoad;
  await agent.setStatus('stable-2', 'critical');
  await call(200);

  // Instances, as Consul and the client know them.
  const rows = page.getByRole('region', { name: 'Instances' }).locator('tbody tr');
  const shown = async (): Promise<Record<string, string>> => {
    const cells = await Promise.all((await rows.all()).map((row) => row.locator('td').allInnerTexts()));
    return Object.fromEntries(cells.map((each) => [each[2], each[5]]));
  };
  const listed = (await (await agent.request('GET', '/v1/health/service/payments')).json()) as readonly Health[];
  const inConsul = listed.map(({ Service, Checks }) => {
    return [Service.ID, Checks.some(({ Status }) => Status === 'critical') ? 'critical' : 'passing'] as const;
  });
  expect(inConsul).toHaveLength(4);
  await expect.poll(shown, { timeout: 20_000 }).toEqual(Object.fromEntries(inConsul));
  const inspected = () => graylane.inspect().services[0] ?? expect.fail('no service');
  await expect
    .poll(() => Object.fromEntries(inspected().endpoints.map(({ instance, status }) => [instance, status])))
    .toEqual(Object.fromEntries(inConsul));

  // Where a call goes.
  const labels = { 'x-user-id': 'u-42' };
  await page.getByLabel('Labels of the call').fill('x-user-id=u-42');
  await page.keyboard.press('Enter');
  const { decision } = graylane.explain('payments', { method: CHARGE, labels }).routing;
  await page.getByText(`Goes to ${decision.subset} by route ${decision.route}`).waitFor();

  // Who follows, and what was counted: by the servers themselves.
  await page.getByRole('link', { name: 'Fleet' }).click();
  await page.getByText('1 of 1 follow').waitFor();
  const process = page.getByRole('region', { name: 'Who follows the policy' }).locator('tbody tr');
  expect(await process.innerText()).toContain(inspected().policy.revision);
  const counted = (version: string): number =>
    [...servers.values()].filter((each) => each.version === version).reduce((sum, { calls }) => sum + calls, 0);
  const told = async (subset: string): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/services/payments/charts`);
    const charts = ((await answer.json()) as { readonly result: ServiceCharts }).result;
    const line = charts.perSecond.find((each) => each.subset === subset)?.values ?? [];
    return Math.round(line.reduce<number>((sum, value) => sum + (value ?? 0), 0) * (charts.stepMs / 1_000));
  };
  // Rates: a step that lasted longer than five seconds counts as one of five.
  const near = async (subset: string): Promise<boolean> => {
    const [own, theirs] = [await told(subset), counted(subset)];
    // An attempt at the killed server may have ended before it was seen there.
    return own >= theirs * 0.95 && own <= theirs * 1.05 + (subset === 'stable' ? 20 : 0);
  };
  await expect.poll(() => near('canary'), { timeout: 30_000 }).toBe(true);
  await expect.poll(() => near('stable'), { timeout: 30_000 }).toBe(true);
  await page.getByRole('img', { name: /^Attempts a second: canary [\d.–]+, stable [\d.–]+$/ }).waitFor();

  // A rollout that is begun here, and led by a controller.
  await page.getByRole('link', { name: 'Rollout' }).click();
  await page.getByLabel('Weights in order, percent').fill('50, 100');
  await page.getByLabel('Minutes at each weight').fill('');
  await page.getByLabel('Compared by').fill('');
  await expect.poll(() => textIn(page, ROLLOUT)).toContain('  - setWeight: 50\n  - setWeight: 100\n');
  await page.getByRole('button', { name: 'Start a rollout…' }).click();
  const dialog = page.getByRole('dialog');
  expect(await dialog.getByRole('list', { name: 'Steps' }).innerText()).toMatch(/50 %\s+100 %/);
  await dialog.getByLabel('Why').fill('figures are good');
  await page.keyboard.press('Enter');
  await page.getByText('No controller drives it').waitFor();
  const [begun] = JSON.parse((await runHere(['rollout', 'status', 'payments', '--json'], env)).stdout) as {
    readonly id: string;
  }[];
  await page.getByRole('heading', { name: begun?.id ?? 'none' }).waitFor();
  const run = runHere(['rollout', 'run', 'payments', '--once'], env);
  const during = call(200);
  servers.get('stable-1')?.kill();
  await Promise.all([run, during]);
  await page.getByText('completed').first().waitFor();
  await page.getByText('canary at 100 %').waitFor();
  const happened = page.getByRole('region', { name: 'What happened' }).locator('tbody tr');
  const history = JSON.parse((await runHere(['rollout', 'history', 'payments', '--json'], env)).stdout) as {
    readonly transitions: readonly { readonly event: string; readonly message: string }[];
  };
  await expect.poll(() => happened.count()).toBe(history.transitions.length);
  expect(history.transitions[0]?.message).toBe('2 steps, canary against stable: figures are good');
  expect(await happened.last().innerText()).toContain('figures are good');
  await expect.poll(() => JSON.stringify(inspected().policy.document?.routes)).toContain('"weight":100');
  const before = counted('canary');
  await call(100);
  expect(counted('canary')).toBe(before + 100);
});
