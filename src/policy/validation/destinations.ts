import { isRecord } from '../../base/is-record';
import type { DestinationDocument } from '../document';
import { readDestination, subsetName, type WrittenDestination } from '../places/destination';
import { type DocumentPath, note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';

/** What may stand where a destination is looked for. */
type Written = NonNullable<NonNullable<CheckedPolicy['routes']>[number]>['to'];

/**
 * The own subset that a destination names, and where its name stands; undefined where it names none, or one of another
 * service.
 */
export function ownSubsetOf(
  to: Written,
  path: DocumentPath,
  { service = '' }: CheckedPolicy,
): { readonly name: string; readonly path: DocumentPath } | undefined {
  if (to === undefined) return undefined;
  if (typeof to === 'string') return { name: to, path };
  const isOwn = to.service === undefined || to.service === service;
  return to.subset !== undefined && isOwn ? { name: to.subset, path: [...path, 'subset'] } : undefined;
}

/** The own subset that a fallback leads to, also by `{ datacenter }`; undefined where it leads to another service. */
export function fallbackOf(to: Written, { service = '', default: base }: CheckedPolicy): string | undefined {
  if (to === undefined || typeof to === 'string') return to;
  const written = read(to, service);
  return written.service === undefined ? (written.subset ?? base) : undefined;
}

/** The subset of another service that a destination leads to, as plans call it; undefined for one of the policy. */
export function subsetElsewhere(to: Written, document: CheckedPolicy): string | undefined {
  if (to === undefined) return undefined;
  const written = read(to, document.service ?? '');
  return written.service === undefined ? undefined : subsetName(written, document);
}

/** One text for each meaning, so that a split has no destination twice; undefined for none. */
export function meaningOf(to: Written, { service = '', default: base }: CheckedPolicy): string | undefined {
  if (to === undefined) return undefined;
  const { service: other, subset, place } = read(to, service);
  return JSON.stringify([other, subset ?? (other === undefined ? base : undefined), place]);
}

/** A part that is gone from it is as one that was not written. */
function read(to: NonNullable<Written>, service: string): WrittenDestination {
  return readDestination(to as DestinationDocument, service);
}

/** What a schema cannot say of the keys of a destination. */
export function checkDestination(to: Written, path: DocumentPath, problems: ProblemList): void {
  if (!isRecord(to)) return;
  if (to['fallback'] !== undefined && (path[0] !== 'routes' || path.at(-2) === 'mirror')) {
    problems.report([...path, 'fallback'], to['fallback'], 'nothing; where a route sends calls, it may stand');
  } else if (to['fallback'] !== undefined && to['service'] === undefined) {
    problems.report([...path, 'fallback'], to['fallback'], 'nothing, or another service beside it');
  }
  if (to['datacenter'] === undefined || to['peer'] === undefined) return;
  problems.report([...path, 'peer'], note('beside datacenter'), 'one of datacenter and peer');
}

/** Every place of a failover once. */
export function checkFailover(
  failover: NonNullable<NonNullable<CheckedPolicy['locality']>['failover']>,
  path: DocumentPath,
  problems: ProblemList,
): void {
  const places = failover.filter((place) => place !== undefined);
  const names = new Set(places.map((place) => (typeof place === 'object' ? `peer ${place.peer}` : place)));
  if (names.size < places.length) problems.report(path, failover, 'none given twice');
}
