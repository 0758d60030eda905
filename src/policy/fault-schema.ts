import { STATUS_NAMES } from '../base/status-names';
import { MAX_FAULT_DELAY_MS } from './limits';
import { closed, count, type Schema, shortName } from './schema-parts';

const faultKeys: Schema = {
  abort: { enum: STATUS_NAMES, description: 'the attempt fails with this status and reaches no server' },
  delayMs: {
    type: 'number',
    exclusiveMinimum: 0,
    maximum: MAX_FAULT_DELAY_MS,
    description: 'the attempt begins so much later',
  },
  percent: {
    type: 'number',
    exclusiveMinimum: 0,
    maximum: 100,
    description: 'of attempts, drawn for each; in steps of 0.01',
  },
  until: { type: 'string', minLength: 1, description: 'when it ends by itself, RFC 3339' },
  stopAbove: closed(
    {
      failedPercentage: {
        type: 'number',
        minimum: 0,
        maximum: 100,
        description: 'stops in a client when more than this of its calls of the last 10 s fail',
      },
      minimumCalls: { ...count(1), description: 'so many of them before it may stop; default 20' },
    },
    { required: ['failedPercentage'] },
  ),
};

/** `anyOf` is said in words by `describeFaultGap`. */
const abortOrDelay: Schema = { anyOf: [{ required: ['abort'] }, { required: ['delayMs'] }] };

/** Of a route. */
export const routeFault: Schema = closed(faultKeys, { required: ['percent', 'until'], ...abortOrDelay });

/** Of the policy. */
export const namedFault: Schema = closed(
  {
    name: shortName,
    match: { $ref: '#/definitions/match' },
    in: { $ref: '#/definitions/destination', description: 'only attempts there; lane NAME is a lane' },
    ...faultKeys,
    by: { type: 'string' },
    reason: { type: 'string' },
  },
  { required: ['name', 'percent', 'until'], ...abortOrDelay },
);
