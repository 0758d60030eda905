import { statusNameOf } from '../../base/status-names';

/** `OK`, `UNAVAILABLE`, ...; a number that is no gRPC code counts as UNKNOWN, so that labels stay bounded. */
export function statusText(code: number): string {
  return code === 0 ? 'OK' : (statusNameOf(code) ?? 'UNKNOWN');
}
