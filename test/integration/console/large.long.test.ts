import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { useBrowser } from '../../support/browser';
import { printFact } from '../../support/figure';
import { policyOf } from '../cli/two-datacenters';
import { consoleWorld } from './console-world';

const SERVICES = 50;
/** Of all services but the first, which has the rest of 2,000. */
const EACH = 20;
const WINDOW_MS = 40_000;

const world = consoleWorld();
const browser = useBrowser();
let port: number;

beforeAll(async () => {
  for (let service = 0; service < SERVICES; service += 1) {
    const name = service === 0 ? 'payments' : `service-${String(service).padStart(2, '0')}`;
    const count = service === 0 ? 2_000 - (SERVICES - 1) * EACH : EACH;
    for (let at = 0; at < count; at += 50) {
      const batch = Array.from({ length: Math.min(50, count - at) }, (_, more) => {
        const [index, zone] = [at + more, `zone-${(at + more) % 3}`];
        const tags = [index % 10 === 0 ? 'canary' : 'stable'];
        const own = { id: `${name}-${index}`, port: 20_000 + index, address: '10.0.0.7', tags, meta: { zone } };
        return world.consul.register({ name, ...own });
      });
      await Promise.all(batch);
    }
    await world.apply(policyOf(name, 5), 'first');
  }
  port = await world.open({ readOnly: true }, { CONSUL_HTTP_TOKEN: world.consul.token ?? '' });
}, 300_000);

interface Opened {
  readonly page: Page;
  readonly paintMs: number;
  readonly filledMs: number;
  readonly bytes: number;
}

/** As a browser that has seen nothing yet: until rows are there. */
async function openFresh(hash: string): Promise<Opened> {
  const page = await browser.open('about:blank');
  const began = performance.now();
  await page.goto(`http://127.0.0.1:${port}/${hash}`);
  await page.locator('tbody tr').first().waitFor();
  const filledMs = performance.now() - began;
  const paintMs = await page.evaluate<number>(
    'performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity',
  );
  const bytes = await page.evaluate<number>(
    '[...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")].reduce((sum, each) => sum + each.transferSize, 0)',
  );
  return { page, paintMs, filledMs, bytes };
}

it('shows 50 services and 2,000 instances within a second, for less than 1 MB, at 5 % of a core', async () => {
  await (await openFresh('#/services')).page.close();
  for (const hash of ['#/services', '#/services/payments']) {
    const { page, paintMs, filledMs, bytes } = await openFresh(hash);
    printFact(
      `the console at ${hash}`,
      `first paint ${Math.round(paintMs)} ms, rows after ${Math.round(filledMs)} ms, ${Math.round(bytes / 1024)} KiB`,
    );
    expect(paintMs).toBeLessThanOrEqual(1_000);
    expect(bytes).toBeLessThanOrEqual(1_000_000);
    const before = process.cpuUsage();
    const began = performance.now();
    await pause(WINDOW_MS);
    const { user, system } = process.cpuUsage(before);
    const share = (user + system) / 1_000 / (performance.now() - began);
    printFact(`an open ${hash}`, `${(share * 100).toFixed(2)} % of a core in the serving process`);
    expect(share).toBeLessThanOrEqual(0.05);
    await page.close();
  }
}, 240_000);
