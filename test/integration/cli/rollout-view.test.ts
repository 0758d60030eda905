import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { sparkline } from '../../../src/cli/describe';
import { viewRollout } from '../../../src/cli/rollout/rollout-view';
import type { AnalysisResult } from '../../../src/ops/rollout/analysis/verdict';
import type { RolloutProgress } from '../../../src/ops/rollout/progress';
import {
  decodeRecord,
  encodeRecord,
  MAX_RECORD_BYTES,
  nextRecord,
  type RolloutRecord,
} from '../../../src/ops/rollout/record';
import { rolloutOf } from '../rollout/rollout-world';

const result = (failing: number, p99: number, verdict: 'pass' | 'undecided'): AnalysisResult => ({
  atMs: 0,
  verdict,
  checks: [
    { check: 'request-success-rate', verdict, message: 'canary failed some', figures: { canary: failing, stable: 0 } },
    { check: 'request-duration p99', verdict, message: 'canary p99', figures: { canary: p99, stable: 12 } },
  ],
});

const progress: RolloutProgress = {
  ...{ id: 'r1', document: rolloutOf('payments'), state: { kind: 'running' }, step: 3, weight: 5 },
  ...{ windows: 1, nextAction: 4, pending: [], startedAtMs: 0, waitingFor: 'canary has no healthy instance' },
  results: [result(0, 10, 'undecided'), result(0.02, 30, 'undecided'), result(0.01, 20, 'pass')],
};
const record: RolloutRecord = {
  ...{ format: 1, service: 'payments', number: 1, stamp: 's', startedBy: 'me', progress },
  ...{ policy: { digest: '', number: 1 }, transitions: [], past: [] },
};

describe('the view of a rollout', () => {
  it('shows steps, weight, trends of canary and stable, verdicts, what it waits for and who drives', () => {
    const lines = viewRollout(record, 'me (pid 1)', picocolors.createColors(false), 90_000);
    expect(lines).toEqual([
      'payments r1  running, step 4 of 8, canary at 5 %; waits: canary has no healthy instance',
      '  started 90 s ago by me; driven by me (pid 1)',
      '  ✓ 1  route testers to canary',
      '  ✓ 2  canary to 5 %',
      '  ✓ 3  pause 50 ms',
      '  ▶ 4  canary to 25 %',
      '    5  pause 50 ms',
      '    6  canary to 50 %',
      '    7  pause 50 ms',
      '    8  canary to 100 %',
      '',
      '  request-success-rate  pass  canary failed some',
      '    canary 99.00 % █▁▅   stable 100.00 % ▁▁▁',
      '  request-duration p99  pass  canary p99',
      '    canary 20.0 ms ▁█▅   stable 12.0 ms ▁▁▁',
    ]);
    expect(viewRollout(record, undefined, picocolors.createColors(false), 0)[1]).toContain('run graylane rollout run');
  });

  it('shows the steps about the present one where there is no room for all, and never more than fits', () => {
    const colors = picocolors.createColors(true);
    const at = (step: number, rows: number): readonly string[] => {
      const there = { ...record, progress: { ...progress, step, waitingFor: 'x'.repeat(200) } };
      return viewRollout(there, 'me', colors, 0, { room: { rows, columns: 80 } }).map(stripVTControlCharacters);
    };
    // The first line wraps into four.
    expect(at(3, 15).slice(2, 7)).toEqual([
      '    … 2 before',
      '  ✓ 3  pause 50 ms',
      '  ▶ 4  canary to 25 %',
      '    5  pause 50 ms',
      '    … 3 after',
    ]);
    expect(at(0, 13).slice(2, 4)).toEqual(['  ▶ 1  route testers to canary', '    … 7 after']);
    expect(at(7, 13).slice(2, 4)).toEqual(['    … 7 before', '  ▶ 8  canary to 100 %']);
    expect(at(3, 18)).toHaveLength(15);
    expect(at(3, 6)).toHaveLength(3);
  });

  it('leaves a gap where there was no figure', () => {
    expect(sparkline([1, Number.NaN, 8])).toBe('▁ █');
    expect(sparkline([])).toBe('');
  });
});

describe('the record of a rollout', () => {
  it('stays within what Consul takes, however much happens, and numbers go on', () => {
    let current = record;
    for (let round = 0; round < 400; round += 1) {
      const happened = { event: 'paused', step: 0, weight: 5, message: 'x'.repeat(2000) };
      current = nextRecord(current, {}, { at: 't', by: 'me' }, [happened]);
    }
    const text = encodeRecord(current);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_RECORD_BYTES);
    const read = decodeRecord(text, record.service);
    const transitions = typeof read === 'string' ? [] : read.transitions;
    expect(transitions.at(-1)?.number).toBe(400);
    expect(transitions.length).toBeGreaterThan(50);
  });

  it.each(['', 'null', '{}', '[]', '{"format":2}', '{"format":1,"service":"a","number":1}', 'no'])(
    'is not %j',
    (text) => {
      expect(decodeRecord(text, 'a')).toEqual(expect.any(String));
    },
  );
});
