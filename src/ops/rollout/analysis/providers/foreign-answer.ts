import { isRecord } from '../../../../base/is-record';
import { ownValue } from '../../../../policy/plain-data';
import { showValue } from '../../../../policy/problems';
import type { DurationHistogram, MeasuredValue, Measurement, SubsetFigures } from '../metrics-provider';
import { MeasureError } from './measure-error';

/** A webhook's or a command's figures of calls. Throws a {@link MeasureError} with the path of what does not fit. */
export function readFigures(answer: unknown): Measurement {
  return { canary: readSubset(answer, 'canary'), stable: readSubset(answer, 'stable') };
}

/** A webhook's or a command's answer to a value check: finite numbers under the names that conditions know. */
export function readValue(answer: unknown): MeasuredValue {
  const value: { result?: number; canary?: number; stable?: number } = {};
  for (const name of ['result', 'canary', 'stable'] as const) {
    const given = ownValue(answer, name);
    if (given === undefined) continue;
    if (typeof given !== 'number') refuse(name, given, 'a number');
    else value[name] = given;
  }
  if (Object.keys(value).length === 0) refuse('result', undefined, 'a number');
  return value;
}

function readSubset(answer: unknown, name: 'canary' | 'stable'): SubsetFigures {
  const figures = ownValue(answer, name);
  if (!isRecord(figures)) return refuse(name, figures, 'an object with calls and failures');
  const calls = readCount(figures['calls'], `${name}.calls`);
  const failures = readCount(figures['failures'], `${name}.failures`);
  if (failures > calls) refuse(`${name}.failures`, failures, `at most ${name}.calls`);
  const durations = figures['durations'];
  const open = figures['openBreakers'];
  const fallbacks = figures['fallbacks'];
  return {
    calls,
    failures,
    ...(durations === undefined ? {} : { durations: readHistogram(durations, `${name}.durations`) }),
    ...(open === undefined ? {} : { openBreakers: readCount(open, `${name}.openBreakers`) }),
    ...(fallbacks === undefined ? {} : { fallbacks: readCount(fallbacks, `${name}.fallbacks`) }),
  };
}

function readHistogram(value: unknown, path: string): DurationHistogram {
  const bounds = ownValue(value, 'boundsMs');
  const counts = ownValue(value, 'counts');
  if (!Array.isArray(bounds) || bounds.length === 0)
    return refuse(`${path}.boundsMs`, bounds, 'a list of milliseconds');
  if (!Array.isArray(counts) || counts.length !== bounds.length + 1) {
    return refuse(`${path}.counts`, counts, 'a list with one more than boundsMs');
  }
  const boundsMs = bounds.map((bound: unknown, index) => {
    const previous: unknown = index === 0 ? 0 : bounds[index - 1];
    const isRising = typeof bound === 'number' && typeof previous === 'number' && bound > previous;
    if (!isRising || !Number.isFinite(bound))
      return refuse(`${path}.boundsMs[${index}]`, bound, 'finite, > 0 and rising');
    return bound;
  });
  return { boundsMs, counts: counts.map((count: unknown, index) => readCount(count, `${path}.counts[${index}]`)) };
}

function readCount(value: unknown, path: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse(path, value, 'a whole number >= 0');
}

function refuse(path: string, value: unknown, expected: string): never {
  throw new MeasureError(`${path}: ${showValue(value)} (expected: ${expected})`);
}
