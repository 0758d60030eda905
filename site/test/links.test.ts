import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { built } from './built-search';

const pages = readdirSync(built, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.html') && name !== '404.html');
const texts = new Map(pages.map((page) => [page, readFileSync(join(built, page), 'utf8')]));
const anchors = new Map(
  [...texts].map(([page, text]) => [
    page,
    new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => decode(`${id}`))),
  ]),
);

describe('the built site', () => {
  it('has the pages that are expected', () => {
    expect(pages.length).toBeGreaterThan(100);
    for (const page of [
      'index',
      'zh/index',
      'first-call',
      'reference/policy',
      'reference/command',
      'reference/api-index',
    ]) {
      expect(pages).toContain(`${page}.html`);
    }
  });

  it('has no link that leads nowhere, and no anchor that is not there', () => {
    const broken: string[] = [];
    for (const [page, text] of texts) {
      for (const [, href = ''] of text.matchAll(/ (?:href|src)="([^"]+)"/g)) {
        const problem = problemOf(page, decode(href));
        if (problem !== undefined) broken.push(`${page}: ${href}: ${problem}`);
      }
    }
    expect([...new Set(broken)]).toEqual([]);
  });

  it('asks nobody else for anything', () => {
    for (const [page, text] of texts) {
      const foreign = [
        ...text.matchAll(/<(?:script|img|iframe)[^>]+src="(https?:[^"]+)"|<link[^>]+href="(https?:[^"]+)"/g),
      ];
      expect(
        foreign.map(([tag]) => tag),
        page,
      ).toEqual([]);
    }
  });
});

function problemOf(page: string, href: string): string | undefined {
  if (/^[a-z]+:/.test(href)) return undefined;
  const [path = '', anchor] = href.split('#');
  const target = path === '' ? page : posix.join(path.startsWith('/') ? '.' : posix.dirname(page), path);
  const file = target === '.' || target.endsWith('/') ? posix.join(target, 'index.html') : target;
  const found = [file, `${file}.html`, `${file}/index.html`].find(
    (name) => existsSync(join(built, name)) && /\./.test(name),
  );
  if (found === undefined) return 'no such file';
  if (anchor === undefined || anchor === '' || !found.endsWith('.html')) return undefined;
  return anchors.get(found)?.has(anchor) === true ? undefined : 'no such heading';
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'"));
}
