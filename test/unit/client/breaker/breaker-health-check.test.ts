import { describe, expect, it } from 'vitest';
import { isProbePermit } from '../../../../src/client/breaker/probe-gate';
import { halfOpened, LEASE_MS, opened, plan, type Rig, rig } from './fixture';

/** The check that is due ends so. */
function check({ breaker, clock }: Rig, verdict: 'passed' | 'failed' | 'unknown'): void {
  expect(breaker.needsCheck(clock.now())).toBe(true);
  breaker.checked(breaker.beginCheck(), verdict, clock.now(), `health check: ${verdict}`);
}

function doubtful(silentFailures = 2): Rig {
  const it = rig(plan({ silentFailures }));
  it.silent();
  return it;
}

describe('a health check is due', () => {
  it.each<[string, Rig, boolean]>([
    ['of an endpoint that is well', rig(), false],
    ['of one that did not answer once', doubtful(), true],
    ['of an open one', opened(), false],
    ['of a half-open one', halfOpened(), true],
    ['where silence is not heeded', doubtful(0), false],
  ])('%s: see table', (_, { breaker, clock }, isDue) => {
    expect(breaker.needsCheck(clock.now())).toBe(isDue);
  });

  it('not while one is out, nor while a call finds out', () => {
    const { breaker, clock, begin } = halfOpened();
    breaker.beginCheck();
    expect(breaker.needsCheck(clock.now())).toBe(false);
    const other = halfOpened();
    other.begin();
    expect(other.breaker.needsCheck(other.clock.now())).toBe(false);
    const third = doubtful();
    third.breaker.beginVerifying(third.clock.now());
    expect(third.breaker.needsCheck(third.clock.now())).toBe(false);
    expect(isProbePermit(begin())).toBe(true);
  });
});

describe('while a check is out', () => {
  it.each<[string, () => Rig]>([
    ['half-open', halfOpened],
    ['doubtful', doubtful],
  ])('no call is asked to find out: %s', (_, make) => {
    const { breaker, clock } = make();
    expect(breaker.isDue(clock.now())).toBe(true);
    const ticket = breaker.beginCheck();
    expect(breaker.isDue(clock.now())).toBe(false);
    expect(breaker.beginVerifying(clock.now())).toBe(false);
    breaker.checked(ticket, 'unknown', clock.now(), '');
    expect(breaker.isDue(clock.now())).toBe(true);
  });
});

describe('a half-open breaker', () => {
  it('whose check fails opens for longer, with nothing counted', () => {
    const it = halfOpened();
    const counts = it.breaker.view(it.clock.now()).counts;
    check(it, 'failed');
    expect(it.breaker.view(it.clock.now())).toMatchObject({
      state: 'open',
      counts,
      openedBecause: 'health check: failed',
      probesInMs: 10_000,
    });
    it.clock.advance(10_000);
    check(it, 'failed');
    expect(it.breaker.view(it.clock.now()).probesInMs).toBe(20_000);
  });

  it('whose check passes stays half-open, and any call may be its probe, for a while', () => {
    const it = halfOpened();
    check(it, 'passed');
    expect(it.events.at(-1)).toBe('halfOpen');
    expect(it.breaker.isVouched(it.clock.now())).toBe(true);
    expect(it.breaker.needsCheck(it.clock.now())).toBe(false);
    it.clock.advance(10_000);
    expect(it.breaker.isVouched(it.clock.now())).toBe(false);
    expect(it.breaker.needsCheck(it.clock.now())).toBe(true);
  });

  it.each(['failure', 'silent'] as const)('opens for longer each time when its vouched probe ends in %s', (outcome) => {
    const it = halfOpened();
    for (const delayMs of [10_000, 20_000, 40_000]) {
      check(it, 'passed');
      it[outcome]();
      expect(it.breaker.view(it.clock.now()).probesInMs).toBe(delayMs);
      it.clock.advance(delayMs);
    }
  });

  it('is vouched for one probe only: after one without a verdict it is checked again', () => {
    const it = halfOpened();
    check(it, 'passed');
    it.breaker.release(it.begin());
    expect(it.breaker.isVouched(it.clock.now())).toBe(false);
    check(it, 'passed');
    it.success();
    expect(it.breaker.state).toBe('closed');
  });

  it('lets no probe begin for a call that makes none', () => {
    const { breaker, clock } = halfOpened();
    expect(isProbePermit(breaker.begin(clock.now(), false))).toBe(false);
    expect(isProbePermit(breaker.begin(clock.now(), true))).toBe(true);
  });

  it('does not hear of a check that began before it opened last', () => {
    const it = halfOpened();
    const ticket = it.breaker.beginCheck();
    it.failure();
    it.clock.advance(10_000);
    it.breaker.checked(ticket, 'failed', it.clock.now(), '');
    expect(it.breaker.state).toBe('halfOpen');
  });

  it('waits for a slow answer as long as one may take, and takes it for a failure then', () => {
    const it = halfOpened();
    it.breaker.begin(it.clock.now(), true, 30_000);
    it.clock.advance(29_999);
    it.breaker.giveUpLateProbe(it.clock.now());
    expect(it.breaker.admits(it.clock.now())).toBe(false);
    it.clock.advance(1);
    it.breaker.giveUpLateProbe(it.clock.now());
    expect(it.breaker.view(it.clock.now())).toMatchObject({ state: 'open', probesInMs: 10_000 });
  });

  it('never gives up a probe of which nobody knows how long it takes', () => {
    const it = halfOpened();
    const probe = it.begin();
    it.clock.advance(20 * LEASE_MS);
    it.breaker.giveUpLateProbe(it.clock.now());
    it.success(probe);
    expect(it.breaker.state).toBe('closed');
  });
});

describe('a doubtful endpoint', () => {
  it('whose check fails is as silent as after another deadline', () => {
    const twice = doubtful(2);
    check(twice, 'failed');
    expect(twice.breaker.state).toBe('open');
    const thrice = doubtful(3);
    check(thrice, 'failed');
    expect(thrice.breaker.view(0)).toMatchObject({ state: 'closed', silentFailures: 2, isDoubtful: true });
    check(thrice, 'failed');
    expect(thrice.breaker.state).toBe('open');
  });

  it('whose check passes is beyond doubt, and silent still: the next silence opens it', () => {
    const it = doubtful();
    check(it, 'passed');
    expect(it.breaker.view(0)).toMatchObject({ state: 'closed', silentFailures: 1, isDoubtful: false });
    it.clock.advance(3_600_000);
    expect(it.breaker.isDoubtful).toBe(false);
    it.silent();
    expect(it.breaker.state).toBe('open');
  });

  it('is doubtful again after the next silence, where that does not open it', () => {
    const it = doubtful(3);
    check(it, 'passed');
    it.silent();
    expect(it.breaker.isDoubtful).toBe(true);
    check(it, 'passed');
    it.silent();
    expect(it.breaker.state).toBe('open');
  });

  it.each<[string, (it: Rig) => void]>([
    ['an answer', ({ success }) => success()],
    ['the first message of a stream', ({ breaker }) => breaker.answered()],
  ])('forgets its silence at %s, and a check that is out says nothing of it', (_, happen) => {
    const it = doubtful();
    const ticket = it.breaker.beginCheck();
    happen(it);
    it.breaker.checked(ticket, 'failed', it.clock.now(), '');
    expect(it.breaker.view(0)).toMatchObject({ state: 'closed', silentFailures: 0 });
  });
});
