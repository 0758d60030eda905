import { afterEach, describe, expect, it, vi } from 'vitest';
import { Emitter } from '../../../src/base/emitter';

afterEach(() => vi.restoreAllMocks());

describe('an emitter', () => {
  it('tells each listener in order, until its subscription ends, by a call or by using it', () => {
    const emitter = new Emitter<number>();
    const seen: string[] = [];
    const stop = emitter.subscribe((value) => seen.push(`a${value}`));
    const other = emitter.subscribe((value) => seen.push(`b${value}`));
    emitter.emit(1);
    stop();
    stop();
    emitter.emit(2);
    other[Symbol.dispose]();
    emitter.emit(3);
    expect(seen).toEqual(['a1', 'b1', 'b2']);
    expect(emitter.isEmpty).toBe(true);
  });

  it('goes on after a listener that throws or rejects, and tells of both', async () => {
    const faults: unknown[] = [];
    const emitter = new Emitter<void>((error) => faults.push(error));
    const heard = vi.fn();
    emitter.subscribe(() => {
      throw new Error('thrown');
    });
    emitter.subscribe(() => Promise.reject(new Error('rejected')));
    emitter.subscribe(heard);
    emitter.emit();
    await Promise.resolve();
    expect(heard).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect(faults).toEqual([new Error('thrown'), new Error('rejected')]));
  });

  it('warns once when nobody else is told of faults', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const emitter = new Emitter();
    emitter.subscribe(() => {
      throw new Error('broken');
    });
    emitter.emit();
    emitter.emit();
    expect(warn).toHaveBeenCalledOnce();
  });

  it('lets listeners come and go while it tells', () => {
    const emitter = new Emitter<string>();
    const seen: string[] = [];
    const stop = emitter.subscribe((value) => {
      seen.push(value);
      stop();
      emitter.subscribe((later) => seen.push(`later ${later}`));
    });
    emitter.emit('one');
    emitter.emit('two');
    expect(seen).toEqual(['one', 'later two']);
  });
});
