import { closed, count, listOf, type Schema, shortName } from '../../../policy/schema-parts';
import { WEEKDAYS } from './schedule';

const note: Schema = { type: 'string', minLength: 1, maxLength: 200 };

/** A name only, as that of a provider: what is asked stands in the controller's configuration. */
export const gateName: Schema = {
  ...shortName,
  title: 'the name (letters, digits, _ . -) of a gate in the configuration of the controller',
};

export const gateSchema: Schema = closed(
  {
    gate: gateName,
    when: { enum: ['before-step', 'before-promotion', 'at-rollback'] },
    steps: listOf(count(1, 100), { minItems: 1, maxItems: 100 }),
  },
  { required: ['gate', 'when'] },
);

export const approvalSchema: Schema = closed({ note });

const clock: Schema = {
  type: 'string',
  title: 'a time of the day, such as "09:00"; put it in quotes',
  pattern: '^([01]\\d|2[0-3]):[0-5]\\d$',
};
const clockEnd: Schema = { ...clock, pattern: '^(([01]\\d|2[0-3]):[0-5]\\d|24:00)$' };
const time: Schema = {
  type: 'string',
  title: 'a time such as "2026-12-24T00:00:00Z"',
  pattern: '^\\d{4}-\\d\\d-\\d\\d[Tt ]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?([Zz]|[+-]\\d\\d:\\d\\d)$',
};

export const scheduleSchema: Schema = closed(
  {
    timeZone: {
      type: 'string',
      title: 'the IANA name of a time zone, such as Asia/Shanghai',
      pattern: '^[A-Za-z0-9_+/-]{1,64}$',
    },
    hours: listOf(
      closed(
        {
          days: listOf({ enum: WEEKDAYS }, { minItems: 1, maxItems: 7, uniqueItems: true }),
          from: clock,
          until: clockEnd,
        },
        { required: ['from', 'until'] },
      ),
      { minItems: 1, maxItems: 50 },
    ),
    freeze: listOf(closed({ from: time, until: time, reason: note }, { required: ['from', 'until'] }), {
      minItems: 1,
      maxItems: 50,
    }),
  },
  { minProperties: 1 },
);
