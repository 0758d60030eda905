import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { useBrowser } from '../../support/browser';
import { closeAfterAll, pause } from '../../support/closers';
import { takePicture } from '../../support/pictures';
import { serviceUrl, startWorld } from './world';

const closing = closeAfterAll();
const browser = useBrowser();

it('takes the pictures of the page of a process', async () => {
  const { graylane, servers, base, call } = await startWorld(closing);
  const untilMs = performance.now() + 50_000;
  let isIll = false;
  // As on a day when the canary falls ill.
  while (performance.now() < untilMs) {
    if (!isIll && performance.now() > untilMs - 20_000) {
      servers.get('canary-1')?.behave({ code: status.UNAVAILABLE, details: 'no database' });
      isIll = true;
    }
    await Promise.all([call(20), pause(150)]);
  }
  const calls = setInterval(() => void call(10), 100);
  closing(calls, clearInterval);
  // Until the figures of the last seconds are of these calls.
  await pause(10_000);
  const view = { viewport: { width: 1280, height: 800 } };
  const now = await browser.open(serviceUrl(base, graylane), view);
  await now.getByText('live', { exact: true }).waitFor();
  await expect
    .poll(() => now.locator('section[aria-label="Decisions as they come"] tbody tr').count())
    .toBeGreaterThan(8);
  await takePicture(now, 'page-now');
  clearInterval(calls);
  const explain = await browser.open(serviceUrl(base, graylane, 'explain'), { ...view, colorScheme: 'dark' });
  await explain.getByText('live', { exact: true }).waitFor();
  await explain.getByLabel('Labels').fill('x-gray=canary');
  await explain.getByRole('button', { name: 'Explain' }).click();
  await explain.locator('.process-decided').waitFor();
  await takePicture(explain, 'page-explain');
}, 180_000);
