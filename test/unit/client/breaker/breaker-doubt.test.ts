import { describe, expect, it } from 'vitest';
import { plan, type Rig, rig } from './fixture';

/** One attempt has just ended with nothing received. */
function doubtful(): Rig {
  const it = rig();
  it.silent();
  return it;
}

describe('an endpoint that did not answer once', () => {
  it('is doubtful: closed, and due for one verifying attempt at a time', () => {
    const { breaker, clock } = doubtful();
    expect(breaker.state).toBe('closed');
    expect(breaker.isDoubtful).toBe(true);
    expect(breaker.isDue(clock.now())).toBe(true);
    breaker.offer(clock.now());
    expect(breaker.isDue(clock.now())).toBe(false);
    expect(breaker.beginVerifying(clock.now())).toBe(true);
    expect(breaker.beginVerifying(clock.now())).toBe(false);
    expect(breaker.isDue(clock.now())).toBe(false);
  });

  it('is due again when the pick that was promised the attempt never made it', () => {
    const { breaker, clock } = doubtful();
    breaker.offer(clock.now());
    clock.advance(200);
    expect(breaker.isDue(clock.now())).toBe(true);
  });

  it('is due again when nobody heard of the end of its verifying attempt', () => {
    const { breaker, clock } = doubtful();
    breaker.beginVerifying(clock.now());
    clock.advance(4_999);
    expect(breaker.isDue(clock.now())).toBe(false);
    clock.advance(1);
    expect(breaker.isDue(clock.now())).toBe(true);
  });

  it('is out at the second silent attempt', () => {
    const { breaker, silent, events } = doubtful();
    silent();
    expect(events).toEqual(['open']);
    expect(breaker.isDoubtful).toBe(false);
  });

  it.each<[string, (it: Rig) => void]>([
    ['an answer', ({ success }) => success()],
    ['an error that it sent', ({ failure }) => failure()],
    ['the first message of a stream', ({ breaker }) => breaker.answered()],
    ['a policy that does not heed silence', ({ breaker }) => breaker.configure(plan({ silentFailures: 0 }))],
    ['a policy that turns breakers off', ({ breaker }) => breaker.configure(plan({ enabled: false }))],
  ])('is beyond doubt after %s', (_, happen) => {
    const it = doubtful();
    happen(it);
    expect(it.breaker.isDoubtful).toBe(false);
    expect(it.breaker.isDue(it.clock.now())).toBe(false);
  });

  it('stays doubtful, and due, after an attempt that says nothing', () => {
    const { breaker, begin, clock } = doubtful();
    breaker.beginVerifying(clock.now());
    breaker.record(begin(), 'neutral', clock.now());
    expect(breaker.isDoubtful).toBe(true);
    expect(breaker.isDue(clock.now())).toBe(true);
  });
});

it('nobody is doubtful where silence is not heeded', () => {
  const { breaker, silent } = rig(plan({ silentFailures: 0 }));
  silent();
  expect(breaker.isDoubtful).toBe(false);
});

it('nobody is doubtful at the first silent attempt where that one opens the breaker', () => {
  const { breaker, silent } = rig(plan({ silentFailures: 1 }));
  silent();
  expect(breaker.state).toBe('open');
  expect(breaker.isDoubtful).toBe(false);
});
