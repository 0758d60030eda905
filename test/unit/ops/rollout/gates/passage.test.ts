import { describe, expect, it } from 'vitest';
import {
  abortRollout,
  advance,
  approveRollout,
  confirmAction,
  nextWakeMs,
  pauseRollout,
  promoteRollout,
  resumeRollout,
  startRollout,
} from '../../../../../src/ops/rollout/advance';
import type { Measurement } from '../../../../../src/ops/rollout/analysis/subset-metrics';
import type { RolloutDocument } from '../../../../../src/ops/rollout/document';
import { type GateAnswer, takeGateAnswer, wantedGate } from '../../../../../src/ops/rollout/gates/passage';
import { wantedMeasurement } from '../../../../../src/ops/rollout/measurement';
import { dueActions, type RolloutProgress } from '../../../../../src/ops/rollout/progress';
import { validateRollout } from '../../../../../src/ops/rollout/validate';

const BASE: RolloutDocument = {
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  steps: [{ setWeight: 5 }, { setWeight: 50 }],
  analysis: { intervalMs: 30_000, checks: [{ check: 'request-success-rate' }] },
};
const GOOD: Measurement = { canary: { calls: 10_000, failures: 0 }, stable: { calls: 10_000, failures: 0 } };
const BAD: Measurement = { canary: { calls: 10_000, failures: 2_000 }, stable: { calls: 10_000, failures: 0 } };

interface World {
  progress: RolloutProgress;
  nowMs: number;
  /** What was done and asked, in order. */
  readonly log: string[];
}

function start(change: Partial<RolloutDocument>, nowMs = 0): World {
  const document = { ...BASE, ...change };
  expect(validateRollout(document).problems).toEqual([]);
  return { progress: startRollout({ id: 'r1', document, weight: 0 }, nowMs), nowMs, log: [] };
}

/** Goes on until a person is needed, the end, or `untilMs`; as a controller does, saved as JSON after each move. */
function run(
  world: World,
  answers: (gate: string, when: string) => GateAnswer['kind'] = () => 'open',
  {
    measured = GOOD,
    untilMs = world.nowMs + 3_600_000,
  }: { readonly measured?: Measurement; readonly untilMs?: number } = {},
): World {
  for (let turn = 0; turn < 5_000; turn += 1) {
    const wanted = wantedMeasurement(world.progress, world.nowMs);
    world.progress = saved(advance(world.progress, wanted === undefined ? undefined : measured, world.nowMs));
    const [action] = dueActions(world.progress);
    if (action !== undefined) {
      world.log.push(
        action.kind === 'setWeight'
          ? `weight ${action.weight}`
          : action.kind === 'gate'
            ? `tell ${action.gate}`
            : action.kind,
      );
      world.progress = saved(confirmAction(world.progress, action.number, world.nowMs));
      continue;
    }
    const asked = wantedGate(world.progress, world.nowMs);
    if (asked !== undefined) {
      const kind = answers(asked.gate, asked.when);
      world.log.push(`${asked.gate} ${kind}`);
      world.progress = saved(takeGateAnswer(world.progress, { kind }, world.nowMs));
      continue;
    }
    const wakeMs = nextWakeMs(world.progress);
    if (wakeMs === undefined || wakeMs > untilMs) return world;
    if (wakeMs > world.nowMs) world.nowMs = wakeMs;
  }
  throw new Error(`does not come to rest: ${JSON.stringify(world.progress)}`);
}

function saved(progress: RolloutProgress): RolloutProgress {
  return JSON.parse(JSON.stringify(progress)) as RolloutProgress;
}

function times(...kinds: readonly GateAnswer['kind'][]): () => GateAnswer['kind'] {
  const left = [...kinds];
  return () => left.shift() ?? 'open';
}

describe('gates', () => {
  it('are asked before each weight, before the steps that are named, and before the end, in order', () => {
    const world = start({
      steps: [{ setWeight: 5 }, { pause: { durationMs: 1_000 } }, { setWeight: 50 }, { gate: 'load' }],
      gates: [
        { gate: 'board', when: 'before-step' },
        { gate: 'second', when: 'before-step', steps: [2, 3] },
        { gate: 'ledger', when: 'before-promotion' },
      ],
      onSuccess: 'promote',
    });
    run(world);
    expect(world.log).toEqual([
      ...['board open', 'weight 5', 'second open', 'board open', 'second open', 'weight 50', 'load open'],
      ...['ledger open', 'promote'],
    ]);
    expect(world.progress.state.kind).toBe('completed');
    expect(world.progress.passage).toMatchObject({ opened: ['ledger'] });
  });

  it('hold the step while they are closed, asked every ten seconds, and the canary is watched meanwhile', () => {
    const world = start({ gates: [{ gate: 'board', when: 'before-step', steps: [2] }] });
    run(world, () => 'closed', { untilMs: 100_000 });
    expect(world.progress).toMatchObject({
      step: 1,
      weight: 5,
      waitingFor: 'gate board is closed',
      state: { kind: 'running' },
    });
    expect(world.log.filter((each) => each === 'board closed')).toHaveLength(11);
    expect(world.progress.window).toMatchObject({ kind: 'background' });
    expect(world.progress.results.length).toBeGreaterThan(1);
    const taken = run({ ...world, log: [] }, () => 'closed', { measured: BAD });
    expect(taken.progress.state).toMatchObject({ kind: 'aborted', why: 'analysis' });
    expect(taken.log.at(-1)).toBe('rollback');
    run(world);
    expect(world.progress.state.kind).toBe('completed');
    expect(world.progress.waitingFor).toBeUndefined();
  });

  it.each([
    ['before a step', { gates: [{ gate: 'board', when: 'before-step', steps: [2] }] }],
    ['before the end', { gates: [{ gate: 'board', when: 'before-promotion' }] }],
    ['as a step', { steps: [{ setWeight: 5 }, { gate: 'board' }, { setWeight: 50 }] }],
  ] as const)('that refuse take the canary back: %s', (_, change) => {
    const world = start({
      ...change,
      gates: [...('gates' in change ? change.gates : []), { gate: 'incidents', when: 'at-rollback' }],
    });
    run(world, () => 'refused');
    expect(world.progress.state).toMatchObject({ kind: 'aborted', why: 'gate', message: 'gate board refused' });
    expect(world.progress).toMatchObject({ weight: 0, pending: [] });
    expect(world.log.slice(-2)).toEqual(['rollback', 'tell incidents']);
  });

  it('that do not answer five times in a row make the rollout inconclusive; resume asks afresh', () => {
    const world = start({ steps: [{ setWeight: 5 }, { gate: 'load' }], notify: ['log'] });
    run(world, times('error', 'error', 'closed', 'error', 'error', 'error', 'error', 'error'));
    expect(world.progress.state).toMatchObject({ kind: 'inconclusive', message: 'gate load does not answer' });
    expect(world.log.filter((each) => each.startsWith('load'))).toHaveLength(8);
    expect(world.log.at(-1)).toBe('notify');
    world.progress = resumeRollout(world.progress) ?? world.progress;
    run(world, times('error', 'error', 'error', 'error', 'open'));
    expect(world.progress.state.kind).toBe('completed');
  });

  it('that have opened are not asked again for a step that is interrupted', () => {
    const world = start({
      gates: [
        { gate: 'a', when: 'before-step', steps: [2] },
        { gate: 'b', when: 'before-step', steps: [2] },
      ],
    });
    run(world, (gate) => (gate === 'a' ? 'open' : 'closed'), { untilMs: 5_000 });
    world.progress = pauseRollout(world.progress, 'operator', 'lunch', world.nowMs) ?? world.progress;
    expect(wantedGate(world.progress, world.nowMs + 60_000)).toBeUndefined();
    world.progress = resumeRollout(world.progress) ?? world.progress;
    run(world);
    expect(world.log.filter((each) => each === 'a open')).toHaveLength(1);
    expect(world.progress.state.kind).toBe('completed');
  });

  it('are passed by promote, one step at a time, and an answer that comes late is not taken', () => {
    const world = start({ gates: [{ gate: 'board', when: 'before-step' }] });
    run(world, () => 'closed', { untilMs: 5_000 });
    expect(world.progress.step).toBe(0);
    world.progress = promoteRollout(world.progress) ?? world.progress;
    run(world, () => 'closed', { untilMs: world.nowMs + 5_000 });
    expect(world.progress).toMatchObject({ step: 1, weight: 5 });
    const paused = pauseRollout(world.progress, 'operator', 'wait', world.nowMs) ?? world.progress;
    expect(takeGateAnswer(paused, { kind: 'open' }, world.nowMs)).toBe(paused);
    const aborted = abortRollout(world.progress, 'no', world.nowMs) ?? world.progress;
    expect(takeGateAnswer(aborted, { kind: 'open' }, world.nowMs)).toBe(aborted);
  });
});

describe('an approval', () => {
  const STEPS = { steps: [{ setWeight: 5 }, { approval: { note: 'compare the totals' } }, { setWeight: 50 }] } as const;

  it('is waited for, watched, and given by approve alone', () => {
    const world = run(start(STEPS), undefined, { untilMs: 200_000 });
    expect(world.progress.state).toMatchObject({
      kind: 'paused',
      why: 'approval',
      message: 'until approved: compare the totals',
    });
    expect(world.progress.results.length).toBeGreaterThan(1);
    expect(resumeRollout(world.progress)).toBeUndefined();
    world.progress = approveRollout(world.progress) ?? world.progress;
    run(world);
    expect(world.progress.state.kind).toBe('completed');
    expect(approveRollout(world.progress)).toBeUndefined();
  });

  it('does not end a pause, and a bad canary is taken back while it is waited for', () => {
    const paused = run(start({ steps: [{ setWeight: 5 }, { pause: {} }] }), undefined, { untilMs: 1_000 });
    expect(approveRollout(paused.progress)).toBeUndefined();
    const world = run(start(STEPS), undefined, { measured: BAD });
    expect(world.progress.state).toMatchObject({ kind: 'aborted', why: 'analysis' });
  });

  it('is asked for again when the rollout was paused meanwhile', () => {
    const world = run(start(STEPS), undefined, { untilMs: 1_000 });
    world.progress = pauseRollout(world.progress, 'manual-change', 'edited', world.nowMs) ?? world.progress;
    world.progress = resumeRollout(world.progress) ?? world.progress;
    run(world, undefined, { untilMs: world.nowMs + 1_000 });
    expect(world.progress.state).toMatchObject({ kind: 'paused', why: 'approval' });
  });
});

describe('the schedule', () => {
  // Thursday evening.
  const EVENING = Date.parse('2026-11-26T18:00:00Z');
  const schedule = { hours: [{ from: '09:00', until: '17:00' }] };

  it('holds the first step, a later one and the end, and a rollback never', () => {
    const world = start(
      {
        schedule,
        steps: [{ setWeight: 5 }, { pause: { durationMs: 8 * 3_600_000 } }, { setWeight: 100 }],
        onSuccess: 'promote',
      },
      EVENING,
    );
    run(world, undefined, { untilMs: EVENING + 3_600_000 });
    expect(world.log).toEqual([]);
    expect(world.progress.waitingFor).toBe('the hours of the schedule, from fri 09:00 on (UTC)');
    run(world, undefined, { untilMs: Date.parse('2026-11-27T18:00:00Z') });
    expect(world.log).toEqual(['weight 5']);
    expect(world.progress).toMatchObject({ step: 2, waitingFor: expect.stringContaining('sat 09:00') });
    const back = run({ ...world, log: [] }, undefined, { measured: BAD, untilMs: Date.parse('2026-11-27T19:00:00Z') });
    expect(back.log).toEqual(['rollback']);
    run(world, undefined, { untilMs: Date.parse('2026-11-28T16:00:00Z') });
    expect(world.log).toEqual(['weight 5', 'weight 100', 'promote']);
    expect(world.progress.state.kind).toBe('completed');
  });

  it('is held on after a pause by hand, and watched', () => {
    const steps = [{ setWeight: 5 }, { pause: { durationMs: 7_200_000 } }, { setWeight: 50 }];
    const world = start({ schedule, steps }, Date.parse('2026-11-27T16:00:00Z'));
    run(world, undefined, { untilMs: Date.parse('2026-11-27T19:00:00Z') });
    expect(world.progress).toMatchObject({ step: 2, waitingFor: expect.stringContaining('sat 09:00') });
    world.progress = pauseRollout(world.progress, 'operator', 'lunch', world.nowMs) ?? world.progress;
    world.progress = resumeRollout(world.progress) ?? world.progress;
    run(world, undefined, { measured: BAD, untilMs: world.nowMs + 60_000 });
    expect(world.progress.state).toMatchObject({ kind: 'aborted', why: 'analysis' });
  });

  it('is passed by promote', () => {
    const world = start(
      { schedule: { freeze: [{ from: '2026-11-01T00:00:00Z', until: '2026-12-31T00:00:00Z' }] } },
      EVENING,
    );
    run(world, undefined, { untilMs: EVENING + 60_000 });
    expect(world.log).toEqual([]);
    world.progress = promoteRollout(world.progress) ?? world.progress;
    run(world, undefined, { untilMs: world.nowMs + 60_000 });
    expect(world.log).toEqual(['weight 5']);
  });
});
