import { expect, it } from 'vitest';
import { silentLogger } from '../../../../src/base/logger';
import { ValueListStore } from '../../../../src/client/state/value-lists';
import type { PolicyReading } from '../../../../src/policy/policy-reading';
import { ValueList } from '../../../../src/policy/value-list';

/** A source whose readings the test gives. */
function readings(): {
  readonly store: ValueListStore;
  readonly open: Set<string>;
  tell(name: string, reading: PolicyReading): void;
} {
  const listeners = new Map<string, (reading: PolicyReading) => void>();
  const open = new Set<string>();
  const store = new ValueListStore(
    () => ({
      origin: 'kv',
      watch(name, listener) {
        listeners.set(name, listener);
        open.add(name);
        return { close: () => open.delete(name) };
      },
    }),
    silentLogger,
  );
  return { store, open, tell: (name, reading) => listeners.get(name)?.(reading) };
}

const text = (content: string): PolicyReading => ({ kind: 'present', content, format: 'json' });

it('a list that could not be read is not known, and no list without values', () => {
  const { store, tell } = readings();
  let told = 0;
  const watch = store.watch(() => {
    told += 1;
  });
  expect(watch.follow(['vip'])).toBe(false);
  expect(watch.pending()).toEqual(['list vip: not known (no answer yet)']);
  tell('vip', { kind: 'error', reason: 'HTTP 403' });
  expect([watch.follow(['vip']), watch.pending(), told]).toEqual([false, ['list vip: not known (HTTP 403)'], 1]);
  tell('vip', text('["u-1"'));
  expect(watch.follow(['vip'])).toBe(false);
  tell('vip', text('u-1'));
  expect([watch.follow(['vip']), store.get('vip')?.has('u-1'), store.problems(['vip'])]).toEqual([true, true, []]);
});

it('what an earlier process knew serves where reading fails, and only there', () => {
  const { store, tell } = readings();
  store.restore('vip', new ValueList(['old']));
  const watch = store.watch(() => {});
  expect(watch.follow(['vip'])).toBe(false);
  tell('vip', { kind: 'error', reason: 'ECONNREFUSED' });
  expect([watch.follow(['vip']), store.get('vip')?.has('old')]).toEqual([true, true]);
  tell('vip', text('new'));
  expect([store.get('vip')?.has('old'), store.get('vip')?.has('new')]).toEqual([false, true]);
});

it('lists are followed once for all who name them, and only while somebody does', () => {
  const { store, open, tell } = readings();
  const [first, second] = [store.watch(() => {}), store.watch(() => {})];
  first.follow(['vip', 'staff']);
  second.follow(['vip']);
  expect([...open]).toEqual(['vip', 'staff']);
  tell('vip', text('u-1'));
  first.follow([]);
  expect([...open]).toEqual(['vip']);
  second.close();
  expect([open.size, store.get('vip')]).toEqual([0, undefined]);
});
