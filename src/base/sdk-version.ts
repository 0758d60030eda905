/** Version of this library, as in package.json (a test compares them). What a policy's `minSdk` is held against. */
export const SDK_VERSION = '0.2.0';

/** True when `version` is later than `than`; both `major.minor.patch`. */
export function isLaterVersion(version: string, than: string): boolean {
  const left = version.split('.').map(Number);
  const right = than.split('.').map(Number);
  for (let index = 0; index < 3; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
