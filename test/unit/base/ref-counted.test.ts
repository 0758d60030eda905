import { describe, expect, it } from 'vitest';
import { createRefCounted } from '../../../src/base/ref-counted';

describe('shared things', () => {
  it('are made for the first, closed after the last, and made anew after that', () => {
    const closed: number[] = [];
    let made = 0;
    const shared = createRefCounted<{ id: number; close(): void }>();
    const create = () => {
      made += 1;
      const id = made;
      return { id, close: () => void closed.push(id) };
    };
    const a = shared.acquire('k', create);
    const b = shared.acquire('k', create);
    expect(a.value).toBe(b.value);
    a.release();
    a.release();
    expect(closed).toEqual([]);
    b.release();
    expect(closed).toEqual([1]);
    const c = shared.acquire('k', create);
    expect(c.value.id).toBe(2);
    shared.closeAll();
    c.release();
    expect(closed).toEqual([1, 2]);
  });
});
