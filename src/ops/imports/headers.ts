import { SINGLE_HEADERS } from '../../base/header-name';
import type { HeaderChangesDocument } from '../../policy/document';
import { HEADER_VALUE } from '../../policy/header-schema';
import { MAX_HEADER_CHANGES } from '../../policy/limits';
import { headerFault } from './matchers';
import type { PlaceReport } from './report';

/** Header changes of a rule, as texts by name. */
export interface ForeignChanges {
  readonly set: readonly ForeignChange[];
  readonly add: readonly ForeignChange[];
  readonly remove: readonly ForeignChange[];
}

interface ForeignChange {
  readonly path: string;
  readonly name: string;
  readonly value?: unknown;
}

/** Changes that a document can say; the others are told. Undefined where none is left. */
export function importChanges(
  changes: ForeignChanges,
  report: Pick<PlaceReport, 'cannot'>,
): HeaderChangesDocument | undefined {
  const seen = new Set<string>();
  const keyOf = ({ path, name }: ForeignChange): string | undefined => {
    const key = name.toLowerCase();
    const fault = key === 'set-cookie' ? 'a key that holds no credentials' : headerFault(name);
    if (fault !== undefined) report.cannot(path, `left as it is (expected: ${fault})`);
    else if (seen.has(key)) report.cannot(path, 'changed twice (expected: each header once); the first holds');
    if (fault !== undefined || seen.has(key)) return undefined;
    seen.add(key);
    return key;
  };
  const valuesOf = (list: readonly ForeignChange[], isAdded: boolean): Readonly<Record<string, string>> => {
    const values = new Map<string, string>();
    for (const change of list) {
      const { path, value } = change;
      const isPlain = typeof value === 'string' && HEADER_VALUE.test(value) && !value.includes('%');
      if (!isPlain) report.cannot(path, 'left as it is (expected: printable ASCII without variables of a proxy)');
      const key = isPlain ? keyOf(change) : undefined;
      if (key === undefined || !isPlain) continue;
      if (isAdded && SINGLE_HEADERS.has(key)) report.cannot(path, 'left as it is: HTTP/2 lets it have one value');
      else if (values.size >= MAX_HEADER_CHANGES) tellTooMany(path, key, report);
      else values.set(key, value);
    }
    return Object.fromEntries(values);
  };
  const [set, add] = [valuesOf(changes.set, false), valuesOf(changes.add, true)];
  const remove: string[] = [];
  for (const change of changes.remove) {
    const key = keyOf(change);
    if (key === undefined) continue;
    if (remove.length < MAX_HEADER_CHANGES) remove.push(key);
    else tellTooMany(change.path, key, report);
  }
  const document = {
    ...(Object.keys(set).length === 0 ? {} : { set }),
    ...(Object.keys(add).length === 0 ? {} : { add }),
    ...(remove.length === 0 ? {} : { remove }),
  };
  return Object.keys(document).length === 0 ? undefined : document;
}

function tellTooMany(path: string, key: string, report: Pick<PlaceReport, 'cannot'>): void {
  report.cannot(path, `${key} left as it is (expected: at most ${MAX_HEADER_CHANGES} headers)`);
}
