import { isRecord } from '../../base/is-record';
import { MAX_DOCUMENT_BYTES } from '../limits';
import { copyPlainData, ownValue, utf8Length } from '../plain-data';
import { note, type ProblemList } from '../problems';

/**
 * A plain copy that shares nothing with what was given, whatever that is; undefined, with the reason reported, when it
 * is no document at all. Never throws. `noun` is what such a document is called.
 */
export function copyDocument(
  value: unknown,
  noun: string,
  problems: ProblemList,
): Readonly<Record<string, unknown>> | undefined {
  if (value === null || value === undefined || value === '') {
    problems.report([], value === '' ? note('blank') : value, `a ${noun} document`);
    return undefined;
  }
  let copy: unknown;
  try {
    copy = copyPlainData(value, problems);
  } catch (error) {
    // Getters and proxies of an inline object may do as they like.
    problems.report([], note('unreadable'), `plain data; ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  if (!isRecord(copy)) {
    if (problems.problems.length === 0) problems.report([], copy, 'an object');
    return undefined;
  }
  const size = utf8Length(JSON.stringify(copy));
  if (size > MAX_DOCUMENT_BYTES) {
    problems.report([], note(`${size} bytes as JSON`), `at most ${MAX_DOCUMENT_BYTES} bytes`);
    return undefined;
  }
  return copy;
}

/** The rest of a document of a later format cannot be judged: true, with that one reason reported. */
export function isOfLaterFormat(document: unknown, problems: ProblemList): boolean {
  const schema = ownValue(document, 'schema');
  if (typeof schema !== 'number' || !(schema > 1)) return false;
  problems.report(['schema'], schema, '1; this one is written for a newer version of graylane');
  return true;
}
