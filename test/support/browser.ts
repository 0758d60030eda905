import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, expect } from 'vitest';

/** The first is the same engine without windows, and takes half of the time. */
const PROGRAMS = ['chromium-headless-shell', 'chromium'];

/** `CHROMIUM_BIN`, else what there is on PATH. */
function binary(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const paths = PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program)));
  const found = process.env['CHROMIUM_BIN'] ?? paths.find(existsSync);
  if (found === undefined) {
    throw new Error(`${PROGRAMS.join(', ')}: not on PATH (expected: one of them, or one named by CHROMIUM_BIN)`);
  }
  return found;
}

/** What a page is tried at. */
export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1440, height: 900 };

export interface PageOptions extends BrowserContextOptions {
  /** Lines of the page's console that the test expects. */
  readonly allowed?: RegExp;
}

/** A browser for a file of tests, started when it is first used. Call once at the top of the file. */
export function useBrowser(): { open(url: string, options?: PageOptions): Promise<Page> } {
  let browser: Promise<Browser> | undefined;
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];
  afterEach(async ({ task }) => {
    const isFailed = task.result?.state === 'fail';
    for (const context of contexts.splice(0)) {
      if (isFailed) for (const page of context.pages()) console.log(await shownOn(page));
      await context.close();
    }
    // What a page complains about, such as a policy that it breaks, is a fault of ours.
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => (await browser)?.close());
  return {
    async open(url, { allowed, ...options } = {}) {
      browser ??= chromium.launch({ executablePath: binary(), args: ['--no-sandbox', '--disable-dev-shm-usage'] });
      const context = await (await browser).newContext({ viewport: DESK, locale: 'en-GB', ...options });
      contexts.push(context);
      const page = await context.newPage();
      const complain = (text: string): void => {
        if (allowed?.test(text) !== true) complaints.push(text);
      };
      page.on('pageerror', (error) => complain(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') complain(message.text());
      });
      await page.goto(url);
      return page;
    },
  };
}

/** What a page shows when its test fails. */
async function shownOn(page: Page): Promise<string> {
  const text = await page.evaluate('document.body.innerText').catch((error: unknown) => String(error));
  return `${page.url()} shows:\n${String(text).slice(0, 4_000)}`;
}

/** Serious and critical findings of axe about what the page shows now. */
export async function axeFindings(page: Page): Promise<string[]> {
  // The page's own policy lets no script of ours in; the debugger's way needs no element.
  await page.evaluate(axe.source);
  const results = await page.evaluate(
    () => (globalThis as unknown as { axe: typeof axe }).axe.run() as Promise<axe.AxeResults>,
  );
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
}

/** Whether the page is wider than its window: what must not be at any width. */
export async function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
}
