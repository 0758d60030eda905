import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { renderTable } from '../../../src/cli/table';
import { startInTerminal } from './terminal-command';
import { commandWorld, policyOf } from './two-datacenters';

const { bold, red } = picocolors.createColors(true);
const word = fc.stringMatching(/^[a-z0-9.:@_-]{1,18}$/);
const cell = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));
const tables = fc.integer({ min: 1, max: 11 }).chain((columns) =>
  fc.record({
    head: fc.array(word, { minLength: columns, maxLength: columns }),
    rows: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 5 }),
    width: fc.constantFrom(60, 80, 120),
  }),
);

function wordsOf(text: string): readonly string[] {
  return stripVTControlCharacters(text)
    .split(/\s+/)
    .filter((each) => each !== '');
}

describe('a table', () => {
  it('fits 60, 80 and 120 columns without a broken, lost or added word', () => {
    fc.assert(
      fc.property(tables, ({ head, rows, width }) => {
        const text = renderTable(
          head.map(bold),
          rows.map((row) => row.map((each) => (each === '' ? '' : red(each)))),
          width,
        );
        for (const line of text.split('\n')) expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(width);
        const known = new Set([...head, ...rows.flat()].flatMap(wordsOf));
        const shown = wordsOf(text);
        expect(shown.filter((each) => !known.has(each))).toEqual([]);
        const count = (words: readonly string[], wanted: string): number =>
          words.filter((each) => each === wanted).length;
        for (const each of rows.flat().flatMap(wordsOf)) {
          expect(count(shown, each)).toBeGreaterThanOrEqual(count(rows.flat().flatMap(wordsOf), each));
        }
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it('is a line for each row in a pipe, however wide', () => {
    fc.assert(
      fc.property(tables, ({ head, rows }) => {
        expect(renderTable(head, rows).split('\n')).toHaveLength(rows.length + 1);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('wraps what is longest, and becomes blocks where not even words fit side by side', () => {
    const head = ['service', 'author', 'message'];
    const row = ['payments', 'alice@example', 'canary to 25 % after a quiet night'];
    expect(renderTable(head, [row], 50)).toBe(
      [
        'service   author         message',
        'payments  alice@example  canary to 25 % after a',
        '                         quiet night',
      ].join('\n'),
    );
    expect(renderTable(head, [row, row], 30)).toBe(
      Array(2)
        .fill(
          [
            'service  payments',
            'author   alice@example',
            'message  canary to 25 % after',
            '         a quiet night',
          ].join('\n'),
        )
        .join('\n\n'),
    );
  });

  it('counts characters that are two columns wide', () => {
    const text = renderTable(['what', 'name'], [['値段が高い品物を', 'x'.repeat(20)]], 40);
    expect(text).toContain('値段が高い品物を');
  });
});

describe('in a terminal', () => {
  const world = commandWorld({ datacenters: ['dc1'] });

  it.each([60, 80, 120])('policy list, log and the help at %i columns: nothing is wider', async (columns) => {
    const file = world.file('wide.json', policyOf(`payments-of-${columns}`));
    const why = 'the canary of the second wave gets a quarter of the calls after a quiet night with no pages at all';
    await world.run(['policy', 'apply', file, '-m', why]);
    for (const args of [
      ['policy', 'list'],
      ['policy', 'log', `payments-of-${columns}`],
      ['policy', 'apply', '--help'],
    ]) {
      const env = { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address };
      const terminal = startInTerminal(args, env, { columns, rows: 40 });
      expect(await terminal.ended).toBe(0);
      const lines = stripVTControlCharacters(terminal.text).split(/\r?\n/);
      expect(lines.filter((line) => line.length > columns)).toEqual([]);
      const words = lines.flatMap((line) => line.split(/\s+/));
      const expected = args.includes('--help') ? 'checked before anything is written. --max-load-factor' : why;
      for (const each of expected.split(' ')) expect(words).toContain(each);
    }
  });
});
