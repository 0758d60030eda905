import { describe, expect, it } from 'vitest';
import type { ScheduleDocument } from '../../../../../src/ops/rollout/gates/gate-document';
import { closedSchedule } from '../../../../../src/ops/rollout/gates/schedule';
import { validateRollout } from '../../../../../src/ops/rollout/validate';
import { change } from '../whole-rollout';

const OFFICE: ScheduleDocument = {
  timeZone: 'Europe/Berlin',
  hours: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', until: '17:00' }],
};
const NIGHT: ScheduleDocument = {
  hours: [
    { from: '22:30', until: '24:00' },
    { from: '00:00', until: '04:07' },
  ],
};
const FREEZE: ScheduleDocument = {
  freeze: [{ from: '2026-12-20T00:00:00+01:00', until: '2027-01-04T00:00:00Z', reason: 'year end' }],
};

describe('a schedule', () => {
  it.each([
    ['none', undefined, '2026-11-29T12:00:00Z', undefined, undefined],
    // Friday noon in Berlin.
    ['open', OFFICE, '2026-11-27T11:00:00Z', undefined, undefined],
    ['open at the first minute', OFFICE, '2026-11-27T08:00:00Z', undefined, undefined],
    ['closed at the last', OFFICE, '2026-11-27T16:00:00Z', '2026-11-30T08:00:00.000Z', 'mon 09:00 on (Europe/Berlin)'],
    ['closed a second before', OFFICE, '2026-11-27T07:59:59Z', '2026-11-27T08:00:00.000Z', 'fri 09:00'],
    // The clocks go back on the Sunday between; the hours follow them.
    ['over the end of summer time', OFFICE, '2026-10-24T10:00:00Z', '2026-10-26T08:00:00.000Z', 'mon 09:00'],
    ['in summer', OFFICE, '2026-07-03T06:59:00Z', '2026-07-03T07:00:00.000Z', 'fri 09:00'],
    ['over midnight', NIGHT, '2026-11-29T00:00:00Z', undefined, undefined],
    ['over midnight, before', NIGHT, '2026-11-28T23:59:59Z', undefined, undefined],
    ['at odd minutes', NIGHT, '2026-11-29T04:07:00Z', '2026-11-29T22:30:00.000Z', 'sun 22:30 on (UTC)'],
    [
      'a quarter past in Kathmandu',
      { timeZone: 'Asia/Kathmandu', hours: [{ from: '09:07', until: '09:08' }] },
      '2026-11-29T03:30:00Z',
      '2026-11-30T03:22:00.000Z',
      'mon 09:07',
    ],
    [
      'frozen',
      FREEZE,
      '2026-12-19T23:00:00Z',
      '2027-01-04T00:00:00.000Z',
      'a freeze until 2027-01-04T00:00:00Z (year end)',
    ],
    ['not frozen yet', FREEZE, '2026-12-19T22:59:59Z', undefined, undefined],
    ['not frozen any more', FREEZE, '2027-01-04T00:00:00Z', undefined, undefined],
  ] as const)('%s', (_, schedule, now, until, message) => {
    const closed = closedSchedule(schedule, Date.parse(now));
    expect(closed && new Date(closed.untilMs).toISOString()).toBe(until);
    if (message !== undefined) expect(closed?.message).toContain(message);
  });

  it.each([
    [
      ['schedule', 'hours', 0, 'until'],
      '09:30',
      'schedule.hours[0].until: "09:30" (expected: later than from, 09:30; a night is two entries)',
    ],
    [
      ['schedule', 'freeze', 0, 'until'],
      '2026-12-23T00:00:00Z',
      'schedule.freeze[0].until: "2026-12-23T00:00:00Z" (expected: later than from)',
    ],
    [
      ['schedule', 'freeze', 0, 'from'],
      '2026-02-30T00:00:00Z',
      'schedule.freeze[0].from: "2026-02-30T00:00:00Z" (expected: a day that exists)',
    ],
    [['gates', 1, 'steps'], [1], 'gates[1].steps: given (expected: only with when: before-step)'],
    [['gates', 0, 'steps', 1], 13, 'gates[0].steps[1]: 13 (expected: a step of the rollout, 1 to 12)'],
    [['gates', 0, 'steps', 1], 2, 'gates[0].steps[1]: 2, given twice (expected: each step once)'],
    [
      ['gates', 1, 'when'],
      'before-step',
      'gates[1].gate: board before-step, given twice (expected: each gate once at a moment)',
    ],
  ] as const)('is refused at %j: %j', (path, value, expected) => {
    expect(validateRollout(change(path, value)).problems.map(({ message }) => message)).toEqual([expected]);
  });
});
