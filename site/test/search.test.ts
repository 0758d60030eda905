import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import questions from '../questions.json';
import { built, openSearch } from './built-search';

/** Answers among which the page must be. */
const SEEN = 3;

describe.each([
  ['root', questions.en],
  ['zh', questions.zh],
] as const)('the search in %s', (locale, list) => {
  const prefix = locale === 'zh' ? 'zh/' : '';
  // Of pages that are not translated, nothing can be found in their language.
  const asked = list.filter(({ page }) => page.some((one) => existsSync(join(built, `${prefix}${one}.html`))));

  it('finds the page of each question among the first three answers', async () => {
    const search = await openSearch(locale);
    const missed = asked
      .map(({ question, page }) => ({ question, page, found: search(question).slice(0, SEEN) }))
      .filter(({ page, found }) => !found.some((one) => page.includes(one.page)));
    expect(missed).toEqual([]);
  });
});

it('every question of the English list has its page', () => {
  const pages = questions.en.flatMap(({ page }) => page);
  expect(pages.filter((page) => !existsSync(join(built, `${page}.html`)))).toEqual([]);
  expect([questions.en.length, questions.zh.length]).toEqual([20, 10]);
});
