import { defined } from '../../base/defined';
import type { ChainNode } from '../../policy/chain/graph';
import { compileHeaders } from '../../policy/chain/match';
import type { ChainReport, Fields } from '../../policy/chain/report';
import type { RouteDocument } from '../../policy/document';
import type { HeaderChanges } from '../../policy/plan';
import { type ForeignChanges, importChanges } from '../imports/headers';

type Direction = 'RequestHeaders' | 'ResponseHeaders';

/** The changes on one way from a route to a resolver, in the order in which they are made, and where they stand. */
type Way = readonly { readonly path: string; readonly changes: HeaderChanges }[];

/**
 * What a route changes in metadata, splits that follow included. A document's route changes the calls of all its
 * destinations alike: where splits do not, it is reported and left out. `start`: the node that the route leads to.
 */
export function exportHeaders(
  destination: Fields,
  start: ChainNode,
  path: string,
  report: ChainReport,
): Pick<RouteDocument, 'requestHeaders' | 'responseHeaders'> {
  const [requestHeaders, responseHeaders] = (['RequestHeaders', 'ResponseHeaders'] as const).map((direction) => {
    const own = wayOf(destination, direction, `${path}.Destination`, report);
    const ways = waysFrom(start, own, direction, report);
    const [first = [], ...others] = ways.map((way) => way.map(({ changes }) => changes));
    const texts = [first, ...others].map((way) => JSON.stringify(way));
    if (new Set(texts).size > 1) {
      for (const { path: at } of new Set(ways.flat())) {
        report.cannot(at, 'left as they are; a route changes the metadata of all its destinations alike');
      }
      return undefined;
    }
    return importChanges(joined(ways[0] ?? [], report), report);
  });
  return defined({ requestHeaders, responseHeaders });
}

function wayOf(holder: Fields, direction: Direction, path: string, report: ChainReport): Way {
  const at = `${path}.${direction}`;
  const changes = compileHeaders(holder[direction], at, report);
  return changes === undefined ? [] : [{ path: at, changes }];
}

function waysFrom(node: ChainNode, way: Way, direction: Direction, report: ChainReport): readonly Way[] {
  if (node.type !== 'splitter') return [way];
  return node.splits.flatMap(({ definition, weight, next, path }) => {
    const inner = wayOf(definition, direction, `${path}.Definition`, report);
    // The inner change comes first, so that the outer one has the last word, as in Envoy.
    return weight > 0 ? waysFrom(next, [...inner, ...way], direction, report) : [];
  });
}

type Change =
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'set' | 'add'; readonly path: string; readonly value: string };

/** Each key once: Envoy removes, adds and then sets, change by change. */
function joined(way: Way, report: ChainReport): ForeignChanges {
  const changes = new Map<string, Change>();
  for (const { path, changes: each } of way) {
    for (const name of each.remove)
      changes.set(name, { kind: 'remove', path: `${path}.Remove[${JSON.stringify(name)}]` });
    for (const [name, value] of each.add) {
      const at = `${path}.Add[${JSON.stringify(name)}]`;
      const known = changes.get(name)?.kind;
      if (known === 'set' || known === 'add') report.cannot(at, 'a document gives it one value: this one');
      changes.set(name, { kind: known === undefined || known === 'add' ? 'add' : 'set', path: at, value });
    }
    for (const [name, value] of each.set) {
      changes.set(name, { kind: 'set', path: `${path}.Set[${JSON.stringify(name)}]`, value });
    }
  }
  const of = (kind: Change['kind']) =>
    [...changes].flatMap(([name, change]) => (change.kind === kind ? [{ name, ...change }] : []));
  return { set: of('set'), add: of('add'), remove: of('remove') };
}
