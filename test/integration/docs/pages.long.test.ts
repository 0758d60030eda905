import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openPageGround, type PageGround, SLOW } from './page-ground';

let ground: PageGround;

beforeAll(async () => {
  ground = await openPageGround();
});
afterAll(() => ground.close());
beforeEach(() => ground.reset());

it.each(SLOW)('the blocks of %s run, as they stand and in their order', async (page) => {
  expect(await ground.reader.read(page)).toEqual([]);
});
