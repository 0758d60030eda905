import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entriesOf, parseContents } from '../../../site/generate/contents';
import { digestOf, followsLine, sourceOf, translatedPages, translationsOf } from '../../../site/generate/translations';
import { blocksOf } from '../../support/blocks';

const root = join(__dirname, '..', '..', '..');
const translations = translationsOf(root);

describe('translations', () => {
  it('name what they follow', () => {
    const wrong = translations.filter(({ source, followed }) => followed?.source !== source);
    expect(wrong.map(({ page }) => `run npm run docs:behind -- --follow ${page}`)).toEqual([]);
    expect(translations.filter(({ source }) => !existsSync(join(root, source)))).toEqual([]);
  });

  it('have the code of what they follow, unless they are behind', () => {
    for (const { page, source } of translations.filter(({ isBehind }) => !isBehind)) {
      expect(codeOf(readFileSync(join(root, page), 'utf8')), page).toEqual(
        codeOf(readFileSync(join(root, source), 'utf8')),
      );
    }
  });

  it('stand in the index of their language, each once', () => {
    const links = entriesOf(parseContents(readFileSync(join(root, 'docs/zh/README.md'), 'utf8'))).map(
      ({ link }) => link,
    );
    const pages = translatedPages(root).filter((page) => page !== 'docs/zh/README.md');
    const named = pages.map((page) => [page, links.filter((link) => join('docs/zh', link) === page).length]);
    expect(named.filter(([, times]) => times !== 1)).toEqual([]);
  });
});

describe('what a translation follows', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'translations-'));
    mkdirSync(join(folder, 'docs', 'zh', 'deploy'), { recursive: true });
    const files = {
      'README.md': 'one\n',
      'README.zh-CN.md': `${followsLine('README.md', 'one\n')}\n一\n`,
      'docs/canary.md': 'new\n',
      'docs/zh/canary.md': `${followsLine('docs/canary.md', 'old\n')}\n旧\n`,
      'docs/zh/README.md': '目录\n',
      'docs/zh/deploy/gone.md': `${followsLine('docs/deploy/gone.md', 'gone\n')}\n`,
      'docs/zh/lanes.md': '泳道\n',
      'docs/lanes.md': 'lanes\n',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is behind once the source has changed, has gone, or is not named', () => {
    expect(translationsOf(folder).map(({ page, source, isBehind }) => [page, source, isBehind])).toEqual([
      ['README.zh-CN.md', 'README.md', false],
      ['docs/zh/canary.md', 'docs/canary.md', true],
      ['docs/zh/deploy/gone.md', 'docs/deploy/gone.md', true],
      ['docs/zh/lanes.md', 'docs/lanes.md', true],
    ]);
  });

  it('does not depend on how lines end', () => expect(digestOf('a\r\nb\r\n')).toBe(digestOf('a\nb\n')));

  it('is told by its path alone', () => {
    expect(sourceOf('docs/zh/deploy/nomad.md')).toBe('docs/deploy/nomad.md');
    expect(() => sourceOf('docs/canary.md')).toThrow('docs/canary.md: no translation (expected: a page in docs/zh');
  });
});

/** The blocks that run or are read by programs, without what is translated in them. */
function codeOf(text: string): readonly (readonly [string, string])[] {
  return blocksOf(text)
    .filter(({ language }) => ['ts', 'js', 'sh', 'yaml', 'json', 'hcl'].includes(language))
    .map((block) => [block.language, withoutComments(block.text)] as const);
}

function withoutComments(text: string): string {
  const lines = text.split('\n').map((line) => line.replace(/(^|\s)(#|\/\/)\s.*$/, '').trimEnd());
  return lines.filter((line) => line !== '').join('\n');
}
