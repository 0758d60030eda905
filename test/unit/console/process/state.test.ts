import fc from 'fast-check';
import { expect, it } from 'vitest';
import { changeBetween, type Parts } from '../../../../src/client/admin/page/page-state';
import { afterEvent, endpointsOf, NOTHING, type ProcessState, servicesOf } from '../../../../src/console/process/state';

const path = fc.constantFrom('client', 'service/a', 'endpoint/dc1/1.2.3.4:5', 'detail/policy', '"', '__proto__');
const parts: fc.Arbitrary<Parts> = fc
  .dictionary(path, fc.jsonValue(), { noNullPrototype: true })
  .map((record) => new Map(Object.entries(record).map(([key, value]) => [key, JSON.stringify(value)])));

const shown = ({ parts: held }: ProcessState): Map<string, string> =>
  new Map([...held].map(([key, value]) => [key, JSON.stringify(value)]));

it('knows after each change what the process knows', () => {
  fc.assert(
    fc.property(fc.array(parts, { minLength: 1, maxLength: 6 }), (states) => {
      const first = changeBetween(new Map(), states[0] ?? new Map()) ?? '{"set":{},"gone":[]}';
      let page = afterEvent(NOTHING, 'state', JSON.parse(first));
      for (const [at, state] of states.entries()) {
        const change = at === 0 ? undefined : changeBetween(states[at - 1] ?? new Map(), state);
        if (change !== undefined) page = afterEvent(page, 'change', JSON.parse(change));
        expect(shown(page)).toEqual(new Map(state));
      }
    }),
  );
});

it('sends nothing where nothing has changed, and only what has', () => {
  const before = new Map([
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ]);
  expect(changeBetween(before, new Map(before))).toBeUndefined();
  const after = new Map([
    ['a', '1'],
    ['b', '20'],
    ['d', '4'],
  ]);
  expect(JSON.parse(changeBetween(before, after) ?? '')).toEqual({ set: { b: 20, d: 4 }, gone: ['c'] });
});

it('begins anew when the stream does, and keeps a bounded number of decisions, the newest first', () => {
  const decision = (number: number) => ({ number, atMs: number, method: '/a.B/C' });
  let page: ProcessState = NOTHING;
  for (let at = 0; at < 30; at += 1) {
    const list = Array.from({ length: 10 }, (_, index) => decision(at * 10 + index));
    page = afterEvent(page, 'decisions', { total: 25, list });
  }
  expect(page.decided).toBe(750);
  expect(page.decisions).toHaveLength(100);
  expect(page.decisions.map(({ number }) => number).slice(0, 2)).toEqual([299, 298]);
  const set = { 'service/b': { service: 'b' }, 'service/a': { service: 'a' }, 'endpoint/dc1/x': { endpoint: 'x' } };
  page = afterEvent(page, 'state', { set, gone: [] });
  expect(page.decisions).toEqual([]);
  expect(servicesOf(page).map(({ service }) => service)).toEqual(['a', 'b']);
  expect(endpointsOf(page)).toEqual([{ endpoint: 'x' }]);
});
