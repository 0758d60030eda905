import type { Instance } from '../../base/instances';
import type { LaneDimensionPlan } from '../plan';

/** A value for each dimension; undefined: none. */
export type LaneValues = readonly (string | undefined)[];

/** The values of an instance, by its meta, else by a tag `META=VALUE`; undefined: it is in no lane. */
export function laneOf(
  { meta, tags }: Pick<Instance, 'meta' | 'tags'>,
  dimensions: readonly Pick<LaneDimensionPlan, 'meta'>[],
): LaneValues | undefined {
  let values: (string | undefined)[] | undefined;
  for (const [at, { meta: key }] of dimensions.entries()) {
    const value = Object.hasOwn(meta, key) ? meta[key] : taggedValue(tags, key);
    if (value === undefined || value === '') continue;
    values ??= dimensions.map(() => undefined);
    values[at] = value;
  }
  return values;
}

function taggedValue(tags: readonly string[], key: string): string | undefined {
  for (const tag of tags) if (tag.startsWith(key) && tag[key.length] === '=') return tag.slice(key.length + 1);
  return undefined;
}

/**
 * The name of a lane: its value; of several dimensions those that it has, down to the last one: `a, eu`, and `-, eu`
 * where the first has none. Different values have different names.
 */
export function laneName(values: LaneValues): string {
  if (values.length === 1) return values[0] ?? '';
  const last = values.findLastIndex((value) => value !== undefined);
  return values
    .slice(0, last + 1)
    .map((value) => (value === undefined ? '-' : /^-?$|[,"]/.test(value) ? JSON.stringify(value) : value))
    .join(', ');
}
