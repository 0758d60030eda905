import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/base/instances';
import { createAnswerReader } from '../../../src/consul/answer-reader';
import { parseHealth } from '../../../src/consul/health-answer';
import { healthEntry } from '../../support/scripted-consul';
import { runs } from '../../support/slice';

/** Makes an answer large without changing what it says. */
const PADDING = 'x'.repeat(2_000);

function entry(id: number, port: number, tag: string): object {
  return healthEntry(`i${id}`, port, { Tags: [tag], Notes: PADDING, Odd: { quoted: '"}]\\"{[', tag: '\\' } });
}

/** A list of entries, some malformed, in some order, as Consul or as a person would write it. */
const answer = fc.record({
  entries: fc.uniqueArray(
    fc.record({
      id: fc.integer({ min: 0, max: 150 }),
      port: fc.constantFrom(7_001, 7_002, 7_003, 0),
      tag: fc.constantFrom('stable', 'canary', 'zürich', '😀'),
    }),
    { selector: ({ id }) => id, minLength: 70, maxLength: 120, size: 'max' },
  ),
  isSorted: fc.boolean(),
  indent: fc.constantFrom(0, 1),
});

function text({ entries, isSorted, indent }: typeof answer extends fc.Arbitrary<infer T> ? T : never): string {
  const list = isSorted ? entries.toSorted((a, b) => a.id - b.id) : entries;
  return JSON.stringify(
    list.map(({ id, port, tag }) => entry(id, port === 0 ? 0 : port + id * 10, tag)),
    null,
    indent,
  );
}

describe('reading a large answer in pieces', () => {
  it('yields what parsing it whole yields, answer after answer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 5 }), async (answers) => {
        const reader = createAnswerReader();
        let before: readonly Instance[] = [];
        for (const each of answers) {
          const body = Buffer.from(text(each));
          const read = await reader.read(body, 'dc1', before);
          expect(read).toEqual(parseHealth(body.toString(), 'dc1', before));
          if (read.kind === 'health') before = read.instances;
        }
      }),
      { numRuns: runs(30) },
    );
  });

  it('keeps the objects of entries that did not change, and says when nothing did', async () => {
    const reader = createAnswerReader();
    const list = Array.from({ length: 200 }, (_, id) => entry(id, 7_000 + id, 'stable'));
    const read = async (entries: readonly object[], before: readonly Instance[]) => {
      const parsed = await reader.read(Buffer.from(JSON.stringify(entries)), 'dc1', before);
      if (parsed.kind !== 'health') throw new Error(parsed.reason);
      return parsed;
    };
    const first = await read(list, []);
    expect(first.instances).toHaveLength(200);
    expect((await read(list, first.instances)).same).toBe(true);
    const shorter = await read(list.toSpliced(3, 20), first.instances);
    expect(shorter.instances).toHaveLength(180);
    expect(shorter.instances.every((each) => first.instances.includes(each))).toBe(true);
    const other = await read(list.toSpliced(7, 1, entry(7, 9_999, 'canary')), first.instances);
    expect(other.instances.filter((each) => !first.instances.includes(each)).map(({ port }) => port)).toEqual([9_999]);
  });

  const good = JSON.stringify(Array.from({ length: 100 }, (_, id) => entry(id, 7_000 + id, 'stable')));
  for (const [what, broken] of [
    ['cut short', good.slice(0, -1)],
    ['cut in an entry', good.slice(0, 150_000)],
    ['a comma too many', `${good.slice(0, -1)},]`],
    ['no comma', good.replace('},{"Node"', '}{"Node"')],
    ['more behind it', `${good} {}`],
    ['an entry that is no JSON', good.replace('"Port":7005', '"Port":x')],
    ['an object', `{"a":${good}}`],
    ['spaces', ' '.repeat(200_000)],
  ] as const) {
    it(`is as strict as parsing: ${what}`, async () => {
      const reader = createAnswerReader();
      await reader.read(Buffer.from(good), 'dc1', []);
      expect(await reader.read(Buffer.from(broken), 'dc1', [])).toMatchObject({ kind: 'garbage' });
      expect(await reader.read(Buffer.from(good), 'dc1', [])).toMatchObject({ kind: 'health', rejected: 0 });
    });
  }

  it('takes numbers and nulls among the entries as parsing does', async () => {
    const odd = `[7,null,${good.slice(1)}`;
    expect(await createAnswerReader().read(Buffer.from(odd), 'dc1', [])).toEqual(parseHealth(odd, 'dc1', []));
  });

  it('lets the event loop have its turn', async () => {
    const large = JSON.stringify(Array.from({ length: 5_000 }, (_, id) => entry(id, 7_000 + id, 'stable')));
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    await createAnswerReader().read(Buffer.from(large), 'dc1', []);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
  });
});
