import { SINGLE_HEADERS } from '../../base/header-name';
import { labelKeyFault } from '../label-key';
import { type DocumentPath, note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';

/** What a schema cannot say of the header changes of routes. */
export function checkHeaderChanges({ routes = [] }: CheckedPolicy, problems: ProblemList): void {
  for (const [index, route] of routes.entries()) {
    for (const of of ['requestHeaders', 'responseHeaders'] as const) {
      const changes = route?.[of];
      if (changes !== undefined) checkChanges(changes, ['routes', index, of], problems);
    }
  }
}

type Changes = NonNullable<NonNullable<NonNullable<CheckedPolicy['routes']>[number]>['requestHeaders']>;

function checkChanges({ set = {}, add = {}, remove = [] }: Changes, path: DocumentPath, problems: ProblemList): void {
  const seen = new Set<string>();
  const check = (key: string, at: DocumentPath, value: unknown): void => {
    const lower = key.toLowerCase();
    const fault = headerFault(lower);
    if (fault !== undefined) problems.report(at, value, fault);
    else if (seen.has(lower)) problems.report(at, note('given twice'), 'each key once in set, add and remove');
    seen.add(lower);
  };
  for (const key of Object.keys(set)) check(key, [...path, 'set', key], note('this key'));
  for (const key of Object.keys(add)) {
    const at = [...path, 'add', key];
    check(key, at, note('this key'));
    if (SINGLE_HEADERS.has(key.toLowerCase())) {
      problems.report(at, note('this key'), 'set; HTTP/2 lets it have one value');
    }
  }
  for (const [index, key] of remove.entries()) if (key !== undefined) check(key, [...path, 'remove', index], key);
}

/** Why a policy may not change the header. */
function headerFault(key: string): string | undefined {
  if (key.endsWith('-bin')) return 'a key of text; a policy does not change binary metadata (-bin)';
  if (key === 'authorization' || key === 'cookie' || key === 'set-cookie') {
    return 'a key that holds no credentials; a policy is no place for secrets';
  }
  return labelKeyFault(key);
}
