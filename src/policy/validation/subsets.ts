import { isRecord } from '../../base/is-record';
import { fieldFault } from '../filter/filter-fields';
import { parseFilter } from '../filter/parse-filter';
import { ownValue } from '../plain-data';
import { note, type ProblemList } from '../problems';

/** Each subset's filter must be an expression that Consul can read: one that it refuses leaves its subset empty. */
export function checkFilters(subsets: unknown, problems: ProblemList, warnings: ProblemList): void {
  if (!isRecord(subsets)) return;
  for (const [name, subset] of Object.entries(subsets)) {
    const filter = ownValue(subset, 'filter');
    if (typeof filter !== 'string' || filter === '') continue;
    const path = ['subsets', name, 'filter'];
    const parsed = parseFilter(filter);
    if ('at' in parsed) {
      problems.report(path, note(`${parsed.found} at character ${parsed.at}`), parsed.expected);
      continue;
    }
    for (const match of parsed.matches) {
      const fault = fieldFault(match);
      if (fault === undefined) continue;
      const list = fault.isCertain ? problems : warnings;
      list.report(path, note(fault.found), fault.expected);
    }
  }
}

/** What Consul takes: https://developer.hashicorp.com/consul/api-docs/agent/service#meta */
const TAKEN = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * A key that Consul takes in no registration, such as `app.kubernetes.io/version`, matches nothing there. A warning:
 * instances that are listed in code or in a file may have it.
 */
export function warnOfMetaKeys(subsets: unknown, warnings: ProblemList): void {
  if (!isRecord(subsets)) return;
  for (const [name, subset] of Object.entries(subsets)) {
    const meta = ownValue(subset, 'meta');
    if (!isRecord(meta)) continue;
    for (const key of Object.keys(meta)) {
      if (TAKEN.test(key)) continue;
      const expected =
        'a key of letters, digits, "-" and "_": Consul takes no other, so no instance of it has this one';
      warnings.report(['subsets', name, 'meta', key], meta[key], expected);
    }
  }
}
