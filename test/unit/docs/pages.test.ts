import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { entriesOf, parseContents } from '../../../site/generate/contents';
import { placeLinks, placesOf, routeOf } from '../../../site/generate/places';

const root = join(__dirname, '..', '..', '..');
const places = placesOf(root);

describe('docs/README.md', () => {
  const parts = parseContents(readFileSync(join(root, 'docs', 'README.md'), 'utf8'));

  it('names each page of docs, and each but once', () => {
    const links = entriesOf(parts)
      .map(({ link }) => link)
      .filter((link) => !link.includes('#'));
    const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => name.endsWith('.md') && !/^(README\.md|(api|decisions|zh|pictures)\/)/.test(name));
    expect(pages.filter((page) => links.filter((link) => link === page).length !== 1)).toEqual([]);
  });

  it('says what each page answers', () => {
    expect(parts.map(({ title }) => title)).toEqual(['Learn', 'Do', 'Know', 'Why']);
    expect(entriesOf(parts).filter(({ answers }) => answers === '')).toEqual([]);
  });
});

describe('a link of a page', () => {
  const placed = (text: string, file: string): readonly [string, readonly string[]] => {
    const missing: string[] = [];
    return [placeLinks(text, file, places, (one) => missing.push(one)), missing];
  };

  it.each([
    ['README.md', '[x](docs/canary.md#a)', '[x](./canary.md#a)'],
    ['docs/deploy/nomad.md', '[x](../servers.md)', '[x](../servers.md)'],
    ['docs/performance.md', '[x](../benchmarks/README.md#telemetry)', '[x](./benchmarks.md#telemetry)'],
    ['docs/observability.md', '[x](../examples/telemetry/alerts.yml)', '[x](./examples/telemetry.md)'],
    ['docs/architecture.md', '[x](decisions/)', '[x](./decisions/index.md)'],
    ['docs/propagation.md', '![x](three-hops.svg)', '![x](./three-hops.svg)'],
    ['README.md', '![x](docs/terminal.svg)', '![x](./terminal.svg)'],
    ['examples/nestjs/README.md', '[x](../../docs/servers.md)', '[x](../servers.md)'],
    ['docs/canary.md', '[x](https://consul.io/a.md) [y](#here)', '[x](https://consul.io/a.md) [y](#here)'],
    [
      'CONTRIBUTING.md',
      '[`ci.yml`](.github/workflows/ci.yml), [x](docs/api)',
      '`ci.yml`, [x](./reference/api-index.md)',
    ],
    ['docs/canary.md', '```\n[x](nowhere.md)\n```', '```\n[x](nowhere.md)\n```'],
  ])('in %s leads to its page of the site: %s', (file, text, expected) => {
    expect(placed(text, file)).toEqual([expected, []]);
  });

  it('that leads nowhere is told', () => {
    expect(placed('[x](nowhere.md) [y](../src)', 'docs/canary.md')[1]).toEqual([
      'docs/canary.md: nowhere.md',
      'docs/canary.md: ../src',
    ]);
    expect(() => routeOf('nowhere.md', 'docs', places)).toThrow('docs: nowhere.md: no page of the site');
  });

  it('of an index is an address from the root of the site', () => {
    expect(routeOf('operations.md#what-to-alert-on', 'docs', places)).toBe('/operations#what-to-alert-on');
    expect(routeOf('../canary.md', 'docs/zh', places)).toBe('/canary');
    expect(routeOf('decisions/', 'docs', places)).toBe('/decisions/');
  });
});
