import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { useBrowser } from '../../support/browser';
import { takePicture } from '../../support/pictures';
import { policyOf } from '../cli/two-datacenters';
import { consoleWorld } from './console-world';
import { giveToken } from './editing';

const world = consoleWorld();
const browser = useBrowser();
const VIEW = { viewport: { width: 1280, height: 800 } };

beforeAll(async () => {
  for (const name of ['payments', 'orders', 'checkout', 'search']) {
    for (const [at, tag] of ['stable', 'stable', 'stable', 'canary'].entries()) {
      const more = { address: '10.0.0.7', tags: [tag], meta: { zone: at % 2 === 0 ? 'a' : 'b' } };
      await world.consul.register({ name, id: `${name}-${at + 1}`, port: 50_051 + at, ...more });
    }
  }
  for (const [percent, message] of [
    [5, 'canary to 5 %'],
    [60, 'canary to 60 %: figures are good'],
    [1, 'canary back to 1 %: slow checkout'],
  ] as const) {
    await world.apply(policyOf('payments', percent), message);
  }
  await world.apply(policyOf('orders', 5), 'first');
  const override = { to: 'stable', ttl: '30m', message: 'incident 42' };
  expect((await world.ask('PUT', '/api/services/orders/override', { body: override })).status).toBe(200);
});

async function open(hash: string, options: object = {}): Promise<Page> {
  const page = await browser.open(`http://127.0.0.1:${world.port}/${hash}`, { ...VIEW, ...options, allowed: /403/ });
  await giveToken(page, world.consul.token);
  return page;
}

it('takes the pictures of the console', async () => {
  const page = await open('#/services/payments');
  await page.getByText('4 in all').waitFor();
  const cause = page.locator('.team-cause');
  await expect
    .poll(async () => {
      await page.getByLabel('Labels of the call').fill(`x-user-id=u-${Math.floor(Math.random() * 1000)}`);
      await page.keyboard.press('Enter');
      await page.locator('.team-decision').waitFor();
      await page.getByText(/moved this call|has sent this call/).waitFor();
      return (await cause.count()) > 0 && (await cause.innerText()).includes('from canary to stable');
    })
    .toBe(true);
  await page.getByRole('slider', { name: 'canary' }).focus();
  for (let step = 0; step < 9; step += 1) await page.keyboard.press('ArrowRight');
  await page.locator('.team-moved').waitFor();
  await page.getByRole('button', { name: 'Explain' }).focus();
  await takePicture(page, 'console-why');
  const history = await open('#/services/payments?part=history', { colorScheme: 'dark' });
  await history.locator('.team-timeline li').nth(2).waitFor();
  await takePicture(history, 'console-history');
}, 120_000);
