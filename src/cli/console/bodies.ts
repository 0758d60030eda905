import { defined } from '../../base/defined';
import { OptionReader } from '../../base/option-reader';
import { ConsoleProblem, type ConsoleRequest } from '../../ops/console/operation';
import type { JudgedRollout } from '../../ops/rollout/validate';
import { MAX_LOAD_FACTOR } from '../flags';
import type { ApplyLimits } from '../policy/planned-change';

/** Reads the body with the project's reader of options. Throws a ConsoleProblem with everything that is wrong. */
export function readBody<T>({ body }: ConsoleRequest, keys: readonly string[], read: (reader: OptionReader) => T): T {
  const reader = new OptionReader(body, '', keys);
  const value = read(reader);
  if (reader.problems.length > 0) throw new ConsoleProblem(400, reader.problems.join('; '));
  return value;
}

const TEXT = /^[^\p{Cc}]{1,256}$/u;

export function optionalText(reader: OptionReader, key: string): string | undefined {
  return reader.optional(key, () => reader.text(key, TEXT, '1 to 256 characters'));
}

/** Empty where there is a problem, which is thrown with the others. */
function textOf(reader: OptionReader, key: string): string {
  return reader.text(key, TEXT, '1 to 256 characters') ?? '';
}

/** Why something is changed, for the history. */
export function messageOf(reader: OptionReader): string {
  return (reader.text('message', /^(?=.*\S).{1,2000}$/s, 'why, for the history; 1 to 2,000 characters') ?? '').trim();
}

/** Reads a text as the option of the command would. */
export function parsed<T>(reader: OptionReader, key: string, parse: (text: string) => T): T | undefined {
  const text = optionalText(reader, key);
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reader.problem(key, JSON.stringify(text), message.replace(/^\(expected: (.*)\)$/, '$1'));
    return undefined;
  }
}

export function labelsOfBody(reader: OptionReader): Readonly<Record<string, string>> {
  const found = Object.entries(reader.record('labels')).filter(([, value]) => value !== '');
  for (const [key, value] of found) {
    if (typeof value === 'string' && value.length <= 4096) continue;
    reader.problem(`labels.${key.slice(0, 60)}`, typeof value, 'a text of at most 4,096 characters');
  }
  return Object.fromEntries(found.map(([key, value]) => [key.toLowerCase(), String(value)]));
}

/** Longest text that a policy may have, and room for its comments. */
export const POLICY_TEXT: RegExp = /^.{1,400000}$/s;

export function readRolloutText(reader: OptionReader): { readonly text: string } {
  return { text: reader.text('text', POLICY_TEXT, 'a rollout, YAML or JSON') ?? '' };
}

/** As `rollout start --file` judges one; a rollout of another service is a problem of its text, too. */
export async function judgeRollout(text: string, service: string): Promise<JudgedRollout> {
  const { parseRollout } = await import('../../ops/rollout/validate.js');
  const judged = parseRollout(text, 'yaml');
  const named = judged.document?.service;
  if (named === undefined || named === service) return judged;
  const message = `service: ${named} (expected: ${service})`;
  return { document: undefined, problems: [{ path: 'service', message }] };
}

export function readRevision(reader: OptionReader): { readonly revision: string | undefined } {
  const expected = 'a number of the history, or the first digits of a revision';
  return {
    revision: reader.optional('revision', () => reader.text('revision', /^(?:[1-9]\d{0,8}|[\da-f]{4,12})$/, expected)),
  };
}

/** The subset's share of the calls of a route. */
export function readWeight(reader: OptionReader): {
  readonly subset: string;
  readonly percent: number;
  readonly route: string | undefined;
} {
  const percent = reader.number('percent', { low: 0, high: 100 }) ?? 0;
  if (Math.abs(percent * 100 - Math.round(percent * 100)) > 1e-6) {
    reader.problem('percent', String(percent), 'at most two decimals');
  }
  return { subset: textOf(reader, 'subset'), percent, route: optionalText(reader, 'route') };
}

/** What a write of a policy is asked with. */
export function readLimits(reader: OptionReader): ApplyLimits & { readonly message: string } {
  return {
    message: messageOf(reader),
    force: reader.flag('force'),
    allowReshuffle: reader.flag('allowReshuffle'),
    maxLoadFactor: MAX_LOAD_FACTOR,
    ...defined({ ifRevision: optionalText(reader, 'ifRevision') }),
  };
}

/** `instead`: the value where there is a problem, which is thrown with the others. */
export function required<T>(reader: OptionReader, key: string, parse: (text: string) => T, instead: T): T {
  if (reader.value(key) === undefined) reader.problem(key, 'missing', 'a text');
  return parsed(reader, key, parse) ?? instead;
}
