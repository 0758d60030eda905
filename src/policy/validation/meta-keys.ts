import { isRecord } from '../../base/is-record';
import { ownValue } from '../plain-data';
import type { ProblemList } from '../problems';

/** What Consul takes: https://developer.hashicorp.com/consul/api-docs/agent/service#meta */
const TAKEN = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * A key that Consul takes in no registration, such as `app.kubernetes.io/version`, matches nothing there. A warning: instances
 * that are listed in code or in a file may have it.
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
