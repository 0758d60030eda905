import { isRecord } from '../../base/is-record';
import type { DestinationDocument } from '../../policy/document';
import { describeWritten } from '../../policy/places/destination';
import { canonicalJson, ownValue } from '../../policy/plain-data';
import { withoutSignature } from '../../policy/signature';

/** One difference between two documents. `before` and `after` are values of the documents. */
export interface Difference {
  /** `routes[everyone].split[canary].weight`: routes by name, entries of a split by subset. */
  readonly path: string;
  /** `moved`: the same routes in another order. */
  readonly kind: 'added' | 'removed' | 'changed' | 'moved';
  readonly before?: unknown;
  readonly after?: unknown;
}

/** The keys that name the items of a list, so that an inserted item does not change the paths of later ones. */
const NAMED_BY: Readonly<Record<string, string>> = { routes: 'name', split: 'to', faults: 'name' };

/**
 * Finds differences in meaning; spacing and the order of keys do not count. The documents are plain data, valid or not.
 * Pure.
 */
export function findDifferences(before: unknown, after: unknown): readonly Difference[] {
  const found: Difference[] = [];
  compare(unsigned(before), unsigned(after), '', found);
  return found;
}

function unsigned(document: unknown): unknown {
  return isRecord(document) ? withoutSignature(document) : document;
}

function compare(before: unknown, after: unknown, path: string, found: Difference[]): void {
  if (before === undefined && after === undefined) return;
  if (before === undefined) found.push({ path, kind: 'added', after });
  else if (after === undefined) found.push({ path, kind: 'removed', before });
  else if (isRecord(before) && isRecord(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(ownValue(before, key), ownValue(after, key), path === '' ? key : `${path}.${key}`, found);
    }
  } else if (canonicalJson(before) !== canonicalJson(after)) {
    const by = NAMED_BY[/(\w+)$/.exec(path)?.[1] ?? ''];
    const lists = by === undefined ? undefined : [namedItems(before, by), namedItems(after, by)];
    if (lists?.[0] !== undefined && lists[1] !== undefined) compareNamed(lists[0], lists[1], path, found);
    else found.push({ path, kind: 'changed', before, after });
  }
}

function compareNamed(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
  path: string,
  found: Difference[],
): void {
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    compare(before.get(name), after.get(name), `${path}[${name}]`, found);
  }
  const kept = (names: Iterable<string>, other: ReadonlyMap<string, unknown>): readonly string[] =>
    [...names].filter((name) => other.has(name));
  const [order, newOrder] = [kept(before.keys(), after), kept(after.keys(), before)];
  if (order.join('\n') !== newOrder.join('\n')) found.push({ path, kind: 'moved', before: order, after: newOrder });
}

/** A text, or a destination that is an object: `payments-v2/canary in dc2`. */
function nameOf(value: unknown): string | undefined {
  if (!isRecord(value)) return typeof value === 'string' ? value : undefined;
  const isPlain = Object.values(value).every((part) => typeof part === 'string');
  return isPlain ? describeWritten(value as unknown as DestinationDocument) : undefined;
}

/** The items by name; undefined unless every item of a list has its own name. */
function namedItems(list: unknown, by: string): ReadonlyMap<string, unknown> | undefined {
  if (!Array.isArray(list)) return undefined;
  const items = new Map<string, unknown>();
  for (const item of list) {
    const name = nameOf(ownValue(item, by));
    if (name === undefined || items.has(name)) return undefined;
    items.set(name, item);
  }
  return items;
}
