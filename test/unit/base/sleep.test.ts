import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createInterruptibleSleep, sleep } from '../../../src/base/sleep';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Whether it has resolved once `milliseconds` have passed. */
async function isOver(sleeping: Promise<void>, milliseconds: number): Promise<boolean> {
  let over = false;
  void sleeping.then(() => {
    over = true;
  });
  await vi.advanceTimersByTimeAsync(milliseconds);
  return over;
}

describe('sleep', () => {
  it('lasts its time', async () => {
    const sleeping = sleep(1_000);
    expect(await isOver(sleeping, 999)).toBe(false);
    expect(await isOver(sleeping, 1)).toBe(true);
  });

  it('ends with its signal, and does not begin after it', async () => {
    const abort = new AbortController();
    const sleeping = sleep(1_000, abort.signal);
    abort.abort();
    expect(await isOver(sleeping, 0)).toBe(true);
    expect(await isOver(sleep(1_000, abort.signal), 1)).toBe(true);
  });
});

describe('an interruptible sleep', () => {
  it('is ended by wake(), also by one that came before it, until reset()', async () => {
    const pause = createInterruptibleSleep(new AbortController().signal);
    const sleeping = pause.sleep(1_000);
    expect(await isOver(sleeping, 10)).toBe(false);
    pause.wake();
    expect(await isOver(sleeping, 0)).toBe(true);
    expect(await isOver(pause.sleep(1_000), 1)).toBe(true);
    pause.reset();
    expect(await isOver(pause.sleep(1_000), 999)).toBe(false);
  });
});
