import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { root } from './fences';
import { hasCode, openPageGround, type PageGround, runPages, SLOW } from './page-ground';
import { blocksOf } from './run-page';

let ground: PageGround;

beforeAll(async () => {
  ground = await openPageGround();
});
afterAll(() => ground.close());
beforeEach(() => ground.reset());

/** Each has a reason, in a comment before it that no reader sees. */
const LEFT_OUT = 6;

const run = runPages.filter((page) => hasCode(page) && !SLOW.includes(page));

describe('the blocks of a page, as they stand and in their order', () => {
  it.each(run)('run: %s', async (page) => {
    expect(await ground.reader.read(page)).toEqual([]);
  });

  it('are looked for in the right places', () => expect(run.length).toBeGreaterThan(14));

  it('run but for a number of them', () => {
    const left = runPages.flatMap(blocksOf).filter(({ notRun }) => notRun !== undefined);
    expect(left.map(({ where, notRun }) => `${where}: ${notRun}`)).toHaveLength(LEFT_OUT);
  });

  it('that do not run are noticed', async () => {
    const page = `.cache/slips-${process.pid}.md`;
    const blocks = [
      ['ts', "graylane.setPolicy('payments', { schema: 2 });"],
      ['ts', 'setImmediate(() => { throw new Error("later"); });'],
      ['sh', 'graylane explain payments --policy nowhere.yaml'],
      ['ts', "await graylane.with({ force: { instance: 'nobody' } }, () => chargeAndNotify());"],
      ['ts', 'await graylane.with({}, () => chargeAndNotify());'],
    ];
    await mkdir(join(root, '.cache'), { recursive: true });
    await writeFile(
      join(root, page),
      blocks.map(([language, text]) => `\`\`\`${language}\n${text}\n\`\`\`\n`).join(''),
    );
    try {
      expect(await ground.reader.read(page)).toEqual([
        expect.stringMatching(/:1: [\s\S]*schema: 2/),
        expect.stringMatching(/:4: Error: later/),
        expect.stringMatching(/:7: graylane explain.*: ended with 2/),
        expect.stringMatching(/:10: [\s\S]*forced by the caller to instance nobody/),
      ]);
    } finally {
      await rm(join(root, page));
    }
  });
});
