import { mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** Where `npm run pictures` wants those of the documentation; a test run on its own leaves them as they are. */
const FOLDER = process.env['PICTURES'] ?? join(tmpdir(), 'graylane-pictures');

/** Takes a picture for the documentation, as the page is now, and checks that it is one and small. */
export async function takePicture(page: Page, name: string): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled' });
  const { size } = statSync(path);
  expect(size).toBeGreaterThan(10_000);
  expect(size).toBeLessThan(250_000);
}
