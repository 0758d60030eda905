import { sameItems } from '../internal/same-items';
import type { Instance } from './source';

/** Whether two entries of one key say the same, so that the former object can be kept. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  return (
    a.address === b.address &&
    a.port === b.port &&
    a.status === b.status &&
    a.weight === b.weight &&
    a.isNodeFailed === b.isNodeFailed &&
    a.zone === b.zone &&
    sameItems(a.tags, b.tags) &&
    sameMeta(a.meta, b.meta)
  );
}

/** `a` may hold anything. */
export function sameMeta(a: Readonly<Record<string, unknown>>, b: Instance['meta']): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
