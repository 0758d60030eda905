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
