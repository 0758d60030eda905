import { InvalidArgumentError } from 'commander';
import { peerOf } from '../../base/instances';
import { nearest } from '../../base/spelling';
import { STATUS_NAMES, type StatusName, statusCodeOf } from '../../base/status-names';
import type { NamedFaultDocument, PolicyDocument } from '../../policy/document';
import { isLaneSubset } from '../../policy/lanes/lane-plan';
import { MAX_FAULT_DELAY_MS } from '../../policy/limits';
import { destinationsIn } from '../../policy/places/destination';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** `300ms`, `2s`, `1m`; in milliseconds. */
export function parseDelay(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
  if (!(ms > 0) || ms > MAX_FAULT_DELAY_MS) throw new InvalidArgumentError('(expected: 300ms, 2s or 1m, at most 10m)');
  return ms;
}

/** The name of a gRPC status, in any case. */
export function parseStatus(text: string): StatusName {
  const name = text.toUpperCase();
  if (statusCodeOf(name) !== undefined) return name as StatusName;
  const meant = nearest(name, STATUS_NAMES);
  throw new InvalidArgumentError(`(expected: a gRPC status${meant === undefined ? '' : `; did you mean ${meant}?`})`);
}

/**
 * Where attempts go that a drill hits, in the words of `explain`: `canary`, `lane pr-42`, `payments-v2/canary` of another
 * service, `payments-v2` for its default, and each but a lane with a place: `canary in dc2`, `canary in peer cloud`.
 */
export function faultTarget(text: string, document: PolicyDocument): NonNullable<NamedFaultDocument['in']> {
  if (isLaneSubset(text)) return text as `lane ${string}`;
  const [, name = text, place] = /^(.+?) in (.+)$/.exec(text) ?? [];
  const [, first = name, second] = /^(.+?)\/(.+)$/.exec(name) ?? [];
  const isOther =
    second !== undefined ||
    (!Object.hasOwn(document.subsets ?? {}, first) &&
      destinationsIn(document).some(({ to }) => typeof to === 'object' && to.service === first));
  if (place === undefined && !isOther) return name;
  const peer = place === undefined ? undefined : peerOf(place);
  const at = place === undefined ? {} : peer === undefined ? { datacenter: place } : { peer };
  if (!isOther) return { subset: first, ...at };
  return { service: first, ...(second !== undefined && { subset: second }), ...at };
}
