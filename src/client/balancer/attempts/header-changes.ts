import type { HeaderChanges } from '../../../policy/plan';
import type { Metadata } from '../../grpc/grpc-js';

/** Changes what one attempt sends. `metadata` is the attempt's own; of several lists the later one has the last word. */
export function changeHeaders(metadata: Metadata, lists: readonly HeaderChanges[]): void {
  for (const { remove, add, set } of lists) {
    for (const key of remove) metadata.remove(key);
    for (const [key, value] of add) metadata.add(key, value);
    for (const [key, value] of set) metadata.set(key, value);
  }
}
