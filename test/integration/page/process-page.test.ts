import { status } from '@grpc/grpc-js';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { axeFindings, DESK, isTooWide, PHONE, useBrowser } from '../../support/browser';
import { closeAfterAll } from '../../support/closers';
import { CHARGE, charge } from '../../support/payments';
import { type PageWorld, POLICY, serviceUrl, startWorld } from './world';

const closing = closeAfterAll();
const browser = useBrowser();
let world: PageWorld;

beforeAll(async () => {
  world = await startWorld(closing);
});

/** The cells of the rows of the table that is called so. */
async function rowsOf(page: Page, label: string): Promise<string[][]> {
  const rows = await page.getByRole('region', { name: label, exact: true }).locator('tbody tr').all();
  return Promise.all(rows.map(async (row) => (await row.locator('td').allInnerTexts()).map((text) => text.trim())));
}

const numberOf = (text: string | undefined): number => Number((text ?? '').replaceAll(/[^\d.]/g, ''));

it('says what inspect(), explain() and the servers say, while instances are killed', async () => {
  const { graylane, servers, base, call } = world;
  const page = await browser.open(serviceUrl(base, graylane));
  await page.getByText('live', { exact: true }).waitFor();
  await call(200);
  servers.get('canary-1')?.behave({ code: status.UNAVAILABLE, details: 'no database' });
  await call(100);
  // An instance that fails is tried less often: the calls that open its breaker may come later.
  const isClosed = (): boolean =>
    graylane.inspect().services[0]?.breakers.every(({ state }) => state === 'closed') ?? true;
  for (let round = 0; round < 50 && isClosed(); round += 1) await call(20);
  servers.get('stable-2')?.kill();
  await call(200);

  // Attempts by subset, as the servers counted what began there.
  const counted = (version: string): number =>
    [...servers.values()].filter((each) => each.version === version).reduce((sum, { calls }) => sum + calls, 0);
  const attempts = async (subset: string): Promise<number> => {
    const rows = await rowsOf(page, 'Where attempts went');
    return rows.filter(([name]) => name === subset).reduce((sum, cells) => sum + numberOf(cells[6]), 0);
  };
  await expect.poll(() => attempts('canary')).toBe(counted('canary'));
  // An attempt at the killed server may have ended before it was seen there.
  await expect.poll(() => attempts('stable')).toBeGreaterThanOrEqual(counted('stable'));
  expect(await attempts('stable')).toBeLessThanOrEqual(counted('stable') + 20);

  // The breaker of the instance that fails, with its reason.
  const port = servers.get('canary-1')?.port;
  const dial = page.getByRole('listitem').filter({ hasText: `dc1/127.0.0.1:${port}` });
  await expect.poll(() => dial.innerText()).toContain('open');
  const inspected = () => graylane.inspect().services[0];
  const breaker = inspected()?.breakers.find(({ key }) => key === `dc1/127.0.0.1:${port}`);
  expect(breaker?.state).not.toBe('closed');
  await expect.poll(() => dial.innerText()).toContain(breaker?.openedBecause ?? 'none');

  // The policy in force, and a decision of each route that calls took.
  expect(await page.locator('.process-title code').innerText()).toBe(inspected()?.policy.revision);
  const decisions = await rowsOf(page, 'Decisions as they come');
  expect(decisions.length).toBeGreaterThan(0);
  for (const [, method, route, subset] of decisions) {
    expect(method).toBe('Charge');
    expect(route).toBe('everyone');
    expect(subset).toMatch(/^(stable|canary)\s+sticky$/);
  }

  // Each endpoint, with its connection.
  await page.getByRole('link', { name: 'Endpoints' }).click();
  const shown = async () =>
    (await rowsOf(page, 'Endpoints')).map((cells) => [cells[0]?.split('\n')[0], cells[1], cells[2]]);
  const known = inspected()?.endpoints.map(({ endpoint, datacenter, subsets }) => [endpoint, datacenter, subsets[0]]);
  await expect.poll(async () => (await shown()).sort()).toEqual(known?.sort());
  await expect
    .poll(async () => (await rowsOf(page, 'Endpoints')).find(([first]) => first?.includes(`:${port}`))?.[3])
    .toContain('breaker');
  servers.get('canary-1')?.behave(undefined);
});

/** What a screen reader would call what has the focus. */
const FOCUSED = '(document.activeElement?.labels?.[0] ?? document.activeElement)?.textContent?.trim() ?? ""';

it('explains a call as explain() does, by keyboard alone, and lights its way', async () => {
  const { graylane, base, client } = world;
  await charge(client, { 'x-gray': 'canary' });
  const page = await browser.open(serviceUrl(base, graylane));
  await page.getByText('live', { exact: true }).waitFor();
  const pressUntil = async (name: string): Promise<void> => {
    for (let presses = 0; presses < 30; presses += 1) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate(FOCUSED)) === name) return;
    }
    throw new Error(`${name} cannot be reached by keyboard`);
  };
  await pressUntil('Explain a call');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Explain a call' }).waitFor();
  await pressUntil('Labels');
  await page.keyboard.type('x-gray=canary');
  await pressUntil('Explain');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'The way of the call' }).waitFor();

  const explained = graylane.explain('payments', { method: CHARGE, labels: { 'x-gray': 'canary' } });
  const { decision } = explained.routing;
  expect(await page.locator('.process-decided').innerText()).toBe(
    `goes to ${decision.subset}, by ${decision.by} ${decision.route}`,
  );
  expect(await page.locator('.process-way > .lit strong').allInnerTexts()).toEqual(['testers', 'canary@dc1']);
  const { endpoints = [] } = explained.tiers[0] ?? {};
  expect((await rowsOf(page, 'canary@dc1')).map(([endpoint]) => endpoint)).toEqual(endpoints.map((e) => e.endpoint));

  await page.getByLabel('Labels').fill('nonsense');
  expect(await page.getByRole('alert').innerText()).toBe('"nonsense" (expected: name=value)');
  expect(await page.getByRole('button', { name: 'Explain' }).isDisabled()).toBe(true);
});

it.each([
  ['a phone', PHONE, 'zh-CN', 'dark'],
  ['a desk', DESK, 'en-GB', 'light'],
] as const)(
  'fits %s, in either language and either colours, and axe finds nothing serious',
  async (_, viewport, locale, colorScheme) => {
    const { graylane, base, call } = world;
    const page = await browser.open(base, { viewport, locale, colorScheme });
    await call(40);
    const check = async (): Promise<void> => {
      expect(await axeFindings(page)).toEqual([]);
      expect(await isTooWide(page)).toBe(false);
    };
    await page.getByRole('link', { name: 'payments' }).waitFor();
    await check();
    for (const tab of ['now', 'endpoints', 'policy', 'explain']) {
      await page.goto(serviceUrl(base, graylane, tab));
      await page.getByRole('heading', { level: 2 }).first().waitFor();
      if (tab === 'explain') {
        await page.locator('form button').click();
        await page.locator('.process-decided').waitFor();
      }
      await check();
    }
    expect(await page.locator('html').getAttribute('lang')).toBe(locale === 'zh-CN' ? 'zh-CN' : 'en');
  },
);

it('speaks the language and wears the colours that its reader chose, the next time too', async () => {
  const page = await browser.open(world.base);
  await page.getByLabel('Language').selectOption('zh');
  await page.getByRole('heading', { name: '服务' }).first().waitFor();
  await page.getByLabel('配色').selectOption('dark');
  await page.reload();
  await page.getByRole('heading', { name: '服务' }).first().waitFor();
  expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
});

it('tells what is refused, overridden and stale as it happens, and for as long', async () => {
  const { consul, graylane, base } = world;
  const page = await browser.open(serviceUrl(base, graylane));
  const notices = page.locator('.process-notices');
  const key = 'graylane/policies/payments';
  await consul.dc('dc1').putKv(key, JSON.stringify({ schema: 1, service: 'payments', default: 'nowhere' }));
  await notices.getByText('The newest policy was refused').waitFor();
  expect(await notices.innerText()).toContain('nowhere');
  const until = new Date(Date.now() + 600_000).toISOString();
  const override = { to: 'stable', until, by: 'ana', reason: 'the canary is ill' };
  await consul.dc('dc1').putKv(key, JSON.stringify({ ...POLICY, override }));
  await notices.getByText('Overridden').waitFor();
  expect(await notices.innerText()).toContain('ana: the canary is ill');
  await notices.getByText('The newest policy was refused').waitFor({ state: 'detached' });
  await consul.dc('dc1').putKv(key, JSON.stringify(POLICY));
  await notices.getByText('Overridden').waitFor({ state: 'detached' });
  await consul.dc('dc1').kill();
  await notices.getByText('Discovery is stale').waitFor();
  expect(graylane.inspect().services[0]?.datacenters[0]?.freshness).toBe('stale');
});
