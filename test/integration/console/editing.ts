import type { Locator, Page } from 'playwright-core';

export function editorOf(page: Page, name: string): Locator {
  return page.getByRole('textbox', { name });
}

/** What stands in an editor: short enough that all of its lines are drawn. */
export async function textIn(page: Page, name: string): Promise<string> {
  const editor = editorOf(page, name);
  await editor.waitFor();
  return (await editor.locator('.cm-line').allTextContents()).join('\n');
}

/** Writes another text in its place, by the keyboard. */
export async function writeIn(page: Page, name: string, text: string): Promise<void> {
  await editorOf(page, name).focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(text);
}

/** What has the focus within an editor; undefined: something else has it. */
export function focusedEditor(page: Page): Promise<string | undefined> {
  return page.evaluate('document.activeElement?.shadowRoot?.activeElement?.ariaLabel');
}

/** As a person gives it. */
export async function giveToken(page: Page, token = ''): Promise<void> {
  await page.getByRole('button', { name: /^(Give a token|输入令牌)$/ }).click();
  await page.getByRole('dialog').getByRole('textbox').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /^(Token given|已有令牌)$/ }).waitFor();
}

/** A browser without a window cannot hide a page: the page is told that it is hidden, or is seen again. */
export async function tellVisibility(page: Page, state: 'visible' | 'hidden'): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  `);
}
