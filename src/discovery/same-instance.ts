import type { Instance } from './source';

/** Whether two entries of one key say the same, so that the former object can be kept. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  return (
    a.address === b.address &&
    a.port === b.port &&
    a.status === b.status &&
    a.weight === b.weight &&
    a.zone === b.zone &&
    a.tags.length === b.tags.length &&
    a.tags.every((tag, index) => tag === b.tags[index]) &&
    sameMeta(a.meta, b.meta)
  );
}

function sameMeta(a: Instance['meta'], b: Instance['meta']): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
