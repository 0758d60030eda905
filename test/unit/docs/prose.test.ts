import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { englishPages } from '../../../site/generate/pages';
import { longLines, longSentences, wrapPage } from '../../../site/generate/prose';

const root = join(__dirname, '..', '..', '..');
const pages = englishPages(root);

describe('the prose of the pages', () => {
  it('is looked for in the right places', () => expect(pages.length).toBeGreaterThan(60));

  it.each(pages)('is in sentences below 25 words: %s', (page) => {
    const found = longSentences(readFileSync(join(root, page), 'utf8'));
    expect(found.map(({ line, what }) => `${page}:${line}: ${what}`)).toEqual([]);
  });

  it('is in lines of at most 120 characters, or npm run docs:wrap makes them so', () => {
    const found = pages.flatMap((page) =>
      longLines(readFileSync(join(root, page), 'utf8')).map(({ line, what }) => `${page}:${line}: ${what}`),
    );
    expect(found).toEqual([]);
  });
});

describe('wrapped prose', () => {
  const long = 'word '.repeat(40).trim();

  it.each([
    ['a paragraph', long],
    ['an item', `- ${long}`],
    ['a numbered item below another', `  12. ${long}`],
    ['two paragraphs', `${long}\n\n${long}`],
    ['an item with more lines', `- ${long}\n  ${long}`],
    ['words that would begin an item, a heading, a quotation', 'aaaa - bbbb 1. cccc # dddd > eeee '.repeat(12).trim()],
  ])('has short lines and the same words: %s', (_, page) => {
    const wrapped = wrapPage(page);
    expect(longLines(page).length).toBeGreaterThan(0);
    expect(longLines(wrapped)).toEqual([]);
    expect(wrapped.split(/\s+/)).toEqual(page.split(/\s+/));
    expect(wrapped.split('\n\n').length).toBe(page.split('\n\n').length);
    expect(wrapped.match(/^\s*([-*]|\d+\.|#|>) /gm)).toEqual(page.match(/^\s*([-*]|\d+\.|#|>) /gm));
    expect(wrapPage(wrapped)).toBe(wrapped);
  });

  it('leaves code, tables, headings, comments and code spans as they are', () => {
    const kept = [
      `\`\`\`sh\n${long}\n\`\`\``,
      `| ${long} | ${long} |`,
      `## ${long}`,
      `<!-- ${long} -->`,
      `https://example.org/${'x'.repeat(150)}`,
    ].join('\n');
    expect(wrapPage(kept)).toBe(kept);
    const span = `\`${'a b '.repeat(20).trim()}\``;
    expect(wrapPage(`${long} ${span}`)).toContain(span);
  });
});

describe('a sentence', () => {
  const words = (count: number): string => Array.from({ length: count }, (_, index) => `w${index}`).join(' ');

  it.each([
    ['24 words', `${words(24)}.`, 0],
    ['25 words', `${words(25)}.`, 1],
    ['over two lines', `${words(12)}\n${words(13)}.`, 1],
    ['two of them', `${words(20)}. ${words(20)}.`, 0],
    ['a code span is a word', `${words(20)} \`${words(10)}\`.`, 0],
    ['a link counts its text', `${words(20)} [${words(5)}](a.md).`, 1],
    ['a cell of a table', `| ${words(25)} | b |`, 1],
    ['code', `\`\`\`\n${words(40)}\n\`\`\``, 0],
  ])('%s', (_, page, found) => {
    expect(longSentences(page)).toHaveLength(found);
  });
});
