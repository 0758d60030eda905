import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fencesOf, root } from './fences';

/** Recipes whose code is cut out of an example that runs: what needs more than this project has installed. */
const CUT = [
  ['docs/recipes/nestjs.md', 'examples/nestjs/app'],
  ['docs/recipes/nice-grpc.md', 'examples/nice-grpc'],
  ['docs/recipes/ts-proto.md', 'examples/ts-proto/app'],
] as const;

describe.each(CUT)('%s', (page, example) => {
  const files = readdirSync(join(root, example)).map((name) => readFileSync(join(root, example, name), 'utf8'));
  const cuts = fencesOf(page).filter(({ language }) => language === 'typescript');

  it('has code of the example', () => expect(cuts.length).toBeGreaterThan(1));

  it.each(cuts.map(({ where, text }) => [where, text] as const))('%s stands in it', (_, text) => {
    expect(files.some((file) => withoutIndent(file).includes(withoutIndent(text)))).toBe(true);
  });
});

function withoutIndent(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .trim();
}
