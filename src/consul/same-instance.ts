import type { Instance } from '../base/instances';
import { sameItems } from '../base/same-items';

/** Whether two entries of one key say the same, so that the former object can be kept. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  return (
    a.address === b.address &&
    a.port === b.port &&
    a.status === b.status &&
    a.weight === b.weight &&
    a.isNodeFailed === b.isNodeFailed &&
    a.zone === b.zone &&
    a.region === b.region &&
    a.portName === b.portName &&
    samePorts(a.ports, b.ports) &&
    sameItems(a.tags, b.tags) &&
    sameMeta(a.meta, b.meta)
  );
}

function samePorts(a: Instance['ports'], b: Instance['ports']): boolean {
  if (a === b) return true;
  return (
    a?.length === b?.length && a?.every(({ name, port }, at) => name === b?.[at]?.name && port === b[at].port) === true
  );
}

/** `a` may hold anything. */
export function sameMeta(a: Readonly<Record<string, unknown>>, b: Instance['meta']): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
