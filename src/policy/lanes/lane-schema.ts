import { META_KEY } from '../../base/names';
import { MAX_LANE_DIMENSIONS, MAX_LANE_ENDS } from '../limits';
import { closed, type Schema } from '../schema-parts';

/** One dimension of lanes. */
export const laneDimension: Schema = closed(
  {
    by: { type: 'string', minLength: 1, description: 'the label whose value names the lane of a call' },
    meta: {
      type: 'string',
      title: 'a key of meta: letters, digits, - and _',
      pattern: META_KEY.source,
      description: 'the key of instance meta whose value is the lane; default: lane',
    },
    fallback: { type: 'string', description: 'the subset for calls whose lane has no instance of this service' },
    strict: { type: 'boolean', description: 'calls whose lane has no instance fail' },
    ends: {
      type: 'object',
      maxProperties: MAX_LANE_ENDS,
      additionalProperties: { type: 'string', minLength: 1 },
      description: 'by lane the time, RFC 3339, from which it is no lane any more',
    },
  },
  { required: ['by'] },
);

/** One dimension, or a list of them. */
export const lanesSchema: Schema = {
  ...laneDimension,
  title: 'lanes such as { by: x-lane }, or a list of them',
  type: ['object', 'array'],
  items: { $ref: '#/definitions/laneDimension' },
  minItems: 1,
  maxItems: MAX_LANE_DIMENSIONS,
};
