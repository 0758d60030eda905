import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import {
  abortRollout,
  advance,
  confirmAction,
  nextWakeMs,
  pauseRollout,
  promoteRollout,
  resumeRollout,
  startRollout,
  waitFor,
} from '../../../src/ops/rollout/advance';
import type { Measurement } from '../../../src/ops/rollout/analysis/subset-metrics';
import type { RolloutDocument } from '../../../src/ops/rollout/document';
import { wantedMeasurement } from '../../../src/ops/rollout/measurement';
import { dueActions, type RolloutAction, type RolloutProgress } from '../../../src/ops/rollout/progress';

const ANALYSIS = { intervalMs: 1_000, count: 2, checks: [{ check: 'request-success-rate' }] } as const;
const DOCUMENT: RolloutDocument = {
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  steps: [
    { setRoute: { name: 'testers', match: { labels: { 'x-gray': 'canary' } } } },
    { setWeight: 5 },
    { pause: { durationMs: 60_000 } },
    { setWeight: 50 },
    { analysis: {} },
    { setWeight: 100 },
  ],
  analysis: ANALYSIS,
  notify: ['log'],
};

const GOOD = figures(0);
const BAD = figures(1_000);
const FEW: Measurement = { canary: { calls: 5, failures: 5 }, stable: { calls: 900, failures: 0 } };

function figures(failures: number): Measurement {
  return { canary: { calls: 10_000, failures }, stable: { calls: 10_000, failures: 0 } };
}

function start(document: RolloutDocument = DOCUMENT): RolloutProgress {
  return startRollout({ id: 'r1', document, weight: 0 }, 0);
}

function allowed(progress: RolloutProgress | undefined): RolloutProgress {
  if (progress === undefined) throw new Error('refused');
  return progress;
}

interface Run {
  readonly progress: RolloutProgress;
  readonly done: readonly RolloutAction[];
  readonly nowMs: number;
}

/** Goes on until a person is waited for or the end; `answer` is what is measured. */
function run(from: RolloutProgress, answer: Parameters<typeof advance>[1], fromMs = 0, untilMs = 1e9): Run {
  const done: RolloutAction[] = [];
  let progress = from;
  let nowMs = fromMs;
  for (;;) {
    const wanted = wantedMeasurement(progress, nowMs);
    const next = advance(progress, wanted === undefined ? undefined : answer, nowMs);
    progress = next;
    for (const action of dueActions(next)) {
      done.push(action);
      progress = confirmAction(progress, action.number, nowMs);
    }
    const wakeMs = nextWakeMs(progress);
    if (wakeMs === undefined || wakeMs > untilMs) return { progress, done, nowMs };
    nowMs = Math.max(nowMs, wakeMs);
  }
}

function told(done: readonly RolloutAction[]): readonly string[] {
  return done.map((action) => {
    if (action.kind === 'setWeight') return `setWeight ${action.weight}`;
    return action.kind === 'notify' ? `notify ${action.notice.event}` : action.kind;
  });
}

describe('advance', () => {
  it('goes through all steps to the end, each action once and numbered', () => {
    const { progress, done, nowMs } = run(start(), GOOD);
    expect(told(done)).toEqual([
      'setRoute',
      'setWeight 5',
      'setWeight 50',
      'setWeight 100',
      'finish',
      'notify completed',
    ]);
    expect(done.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(progress.state).toEqual({ kind: 'completed', atMs: nowMs });
    expect(nowMs).toBe(62_000);
    expect(JSON.parse(JSON.stringify(progress))).toEqual(progress);
  });

  it('ends at 100 whatever the last step said, or with stable in the place of the canary', () => {
    const steps = [{ setWeight: 20 }];
    expect(told(run(start({ ...DOCUMENT, steps }), GOOD).done)).toEqual([
      'setWeight 20',
      'setWeight 100',
      'finish',
      'notify completed',
    ]);
    expect(told(run(start({ ...DOCUMENT, steps, onSuccess: 'promote' }), GOOD).done)).toEqual([
      'setWeight 20',
      'promote',
      'notify completed',
    ]);
  });

  it('offers an action again under its number until it is confirmed, and does nothing else', () => {
    const first = advance(start(), undefined, 0);
    expect(dueActions(first)).toMatchObject([{ number: 1, kind: 'setRoute' }]);
    expect(dueActions(advance(waitFor(first, 'capacity'), GOOD, 9_999_999))).toEqual(dueActions(first));
    const confirmed = confirmAction(waitFor(first, 'capacity'), 1, 5);
    expect(confirmed.waitingFor).toBeUndefined();
    expect(confirmAction(confirmed, 1, 6)).toBe(confirmed);
    expect(dueActions(advance(confirmed, undefined, 5))).toMatchObject([{ number: 2, kind: 'setWeight', weight: 5 }]);
  });

  it('counts afresh from where figures are whole, in a window of its own, and gives up after so many without', () => {
    const document: RolloutDocument = { ...DOCUMENT, steps: [{ setWeight: 5 }, { analysis: {} }] };
    const { progress } = run(start(document), { error: 'x', wholeFromMs: 0 }, 0, 0);
    expect(progress.window).toMatchObject({ kind: 'step', sinceMs: 0, dueMs: 1_000 });
    let next = advance(progress, { error: 'a gap', wholeFromMs: 900 }, 1_000);
    expect(next).toMatchObject({ step: 1, windows: 2, window: { sinceMs: 900, dueMs: 1_900, errors: 1, measured: 0 } });
    expect(next.window?.falseAlarmRate).toBeLessThan(progress.window?.falseAlarmRate ?? 0);
    expect(next.results.at(-1)).toMatchObject({ verdict: 'error', checks: [{ message: 'a gap' }] });
    expect(advance(next, BAD, 1_900).state).toMatchObject({ kind: 'aborted' });
    for (let gap = 2; gap <= 5; gap += 1)
      next = advance(next, { error: 'a gap', wholeFromMs: gap * 1_000 }, gap * 2_000);
    expect(next.state).toMatchObject({ kind: 'inconclusive', message: 'no figures 5 times in a row: a gap' });
  });

  it('takes a failing canary back during a pause, in one action, and says why with figures', () => {
    const { progress, done } = run(start(), BAD);
    expect(told(done)).toEqual(['setRoute', 'setWeight 5', 'rollback', 'notify aborted']);
    expect(progress.weight).toBe(0);
    expect(progress.state).toMatchObject({
      kind: 'aborted',
      why: 'analysis',
      message:
        'request-success-rate: canary failed 1,000 of 10,000 (10.00 %), stable 0 of 10,000 (0.00 %); allowed 1 point more',
      result: { verdict: 'fail', checks: [{ figures: { canary: 0.1, stable: 0, canaryCalls: 10_000 } }] },
    });
  });

  it('does not watch pauses when told so, and then takes it back in the analysis', () => {
    const { done } = run(start({ ...DOCUMENT, analysis: { ...ANALYSIS, background: false } }), BAD);
    expect(told(done)).toEqual(['setRoute', 'setWeight 5', 'setWeight 50', 'rollback', 'notify aborted']);
  });

  it('pauses as inconclusive after as many undecided measurements as are allowed', () => {
    const { progress, done, nowMs } = run(start({ ...DOCUMENT, analysis: { ...ANALYSIS, inconclusiveLimit: 3 } }), FEW);
    expect(told(done)).toEqual(['setRoute', 'setWeight 5', 'setWeight 50', 'notify inconclusive']);
    expect(nowMs).toBe(60_000 + (2 + 3 + 1) * 1_000);
    expect(progress).toMatchObject({
      weight: 50,
      step: 4,
      state: { kind: 'inconclusive', message: expect.stringContaining('too few calls: canary 5 of at least 100') },
    });
    expect(advance(progress, GOOD, nowMs + 1e6)).toBe(progress);
  });

  it('goes on after an inconclusive analysis: resumed measures afresh, promoted takes it as passed', () => {
    const { progress, nowMs } = run(start(), FEW);
    const resumed = run(allowed(resumeRollout(progress)), GOOD, nowMs);
    expect(told(resumed.done)).toEqual(['setWeight 100', 'finish', 'notify completed']);
    expect(resumed.nowMs).toBe(nowMs + 2_000);
    expect(run(allowed(promoteRollout(progress)), FEW, nowMs).nowMs).toBe(nowMs);
  });

  it('pauses when there are no figures for too long, and forgives fewer errors', () => {
    const error = { error: 'prometheus http://127.0.0.1:9090: ECONNREFUSED' };
    const { progress, nowMs } = run(start(), error);
    expect(nowMs).toBe(60_000 + 5_000);
    expect(progress.state).toMatchObject({
      kind: 'inconclusive',
      message: expect.stringMatching(
        /^no figures 5 times in a row: request-success-rate: prometheus http.*ECONNREFUSED$/,
      ),
    });
    const almost = run(start(), error, 0, 64_000);
    expect(almost.progress.window?.errors).toBe(4);
    expect(run(almost.progress, GOOD, almost.nowMs).progress.state.kind).toBe('completed');
  });

  it('waits at a pause without duration for resume', () => {
    const { progress, done } = run(start({ ...DOCUMENT, steps: [{ setWeight: 5 }, { pause: {} }] }), GOOD, 0, 5_000);
    expect(told(done)).toEqual(['setWeight 5', 'notify paused']);
    expect(progress.state).toMatchObject({ kind: 'paused', why: 'step' });
    expect(told(run(allowed(resumeRollout(progress)), GOOD, 6_000).done)).toEqual([
      'setWeight 100',
      'finish',
      'notify completed',
    ]);
  });

  it('holds the canary at 100 % against stable as it was before', () => {
    const steps = [{ setWeight: 50 }, { analysis: {} }, { setWeight: 100 }, { analysis: {} }];
    const half = run(start({ ...DOCUMENT, steps }), GOOD, 0, 2_000);
    expect(half.progress.weight).toBe(100);
    const alone = (failures: number): Measurement => ({
      canary: { calls: 9_000, failures },
      stable: { calls: 0, failures: 0 },
    });
    expect(run(half.progress, alone(0), half.nowMs).progress.state.kind).toBe('completed');
    expect(run(half.progress, alone(500), half.nowMs).progress.state).toMatchObject({
      kind: 'aborted',
      message: expect.stringContaining('stable 0 of 10,000'),
    });
  });
});

describe('people', () => {
  it('pause: nothing moves nor is measured until resume, then the step begins again', () => {
    const { progress } = run(start(), GOOD, 0, 30_000);
    const paused = allowed(pauseRollout(progress, 'operator', 'by ann', 30_000));
    expect(nextWakeMs(paused)).toBeUndefined();
    expect(advance(paused, BAD, 1e6)).toEqual(paused);
    expect(dueActions(paused)).toEqual([]);
    const resumed = run(allowed(resumeRollout(paused)), GOOD, 100_000);
    expect(resumed.nowMs).toBe(100_000 + 60_000 + 2_000);
    expect(told(resumed.done)).toEqual(['setWeight 50', 'setWeight 100', 'finish', 'notify completed']);
  });

  it('are told of a pause that a foreign change caused, while actions wait for resume', () => {
    const acting = advance(start(), undefined, 0);
    const progress = allowed(pauseRollout(acting, 'manual-change', 'weight 30 (expected: 5)', 1));
    const actions = dueActions(progress);
    expect(told(actions)).toEqual(['notify paused']);
    const notified = confirmAction(progress, actions[0]?.number ?? 0, 2);
    expect(nextWakeMs(notified)).toBeUndefined();
    expect(told(dueActions(allowed(resumeRollout(notified))))).toEqual(['setRoute']);
  });

  it('promote in full: the weight goes to 100 at once', () => {
    const { progress } = run(start(), GOOD, 0, 30_000);
    const full = run(allowed(promoteRollout(progress, { full: true })), BAD, 30_000);
    expect(told(full.done)).toEqual(['setWeight 100', 'finish', 'notify completed']);
    expect(full.nowMs).toBe(30_000);
  });

  it('abort: the weight goes to 0, and what was to be done is not', () => {
    const acting = advance(run(start(), GOOD, 0, 30_000).progress, undefined, 60_000);
    expect(told(acting.pending)).toEqual(['setWeight 50']);
    const aborted = run(allowed(abortRollout(acting, 'by ann', 60_001)), GOOD, 60_001);
    expect(told(aborted.done)).toEqual(['rollback', 'notify aborted']);
    expect(aborted.progress).toMatchObject({
      weight: 0,
      state: { kind: 'aborted', why: 'operator', message: 'by ann' },
    });
  });

  it('are refused what the state does not allow', () => {
    const { progress } = run(start(), GOOD);
    for (const attempt of [
      pauseRollout(progress, 'operator', '', 0),
      resumeRollout(progress),
      promoteRollout(progress),
      abortRollout(progress, '', 0),
      resumeRollout(start()),
    ]) {
      expect(attempt).toBeUndefined();
    }
  });
});

describe('controllers that die anywhere', () => {
  it('do no step twice and skip none', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seededRandom(seed);
        let stored = JSON.stringify(start());
        let nowMs = 0;
        /** What the policy's history would show: doing an action whose number is there already changes nothing. */
        const written = new Map<number, RolloutAction>();
        const order: number[] = [];
        for (let turn = 0; turn < 2_000; turn += 1) {
          const progress: RolloutProgress = JSON.parse(stored);
          if (progress.state.kind === 'completed' && progress.pending.length === 0) break;
          const wanted = wantedMeasurement(progress, nowMs);
          const next = advance(progress, wanted === undefined ? undefined : GOOD, nowMs);
          if (random() < 0.3) continue;
          stored = JSON.stringify(next);
          if (random() < 0.3) continue;
          const [action] = dueActions(next);
          if (action === undefined) {
            nowMs = Math.max(nowMs, nextWakeMs(next) ?? nowMs) + Math.floor(random() * 500);
            continue;
          }
          const before = written.get(action.number);
          if (before === undefined) order.push(action.number);
          else expect(action).toEqual(before);
          written.set(action.number, action);
          if (random() < 0.3) continue;
          stored = JSON.stringify(confirmAction(next, action.number, nowMs));
        }
        expect(order).toEqual([1, 2, 3, 4, 5, 6]);
        expect(told([...written.values()])).toEqual([
          'setRoute',
          'setWeight 5',
          'setWeight 50',
          'setWeight 100',
          'finish',
          'notify completed',
        ]);
      }),
      { numRuns: 100 },
    );
  });
});
