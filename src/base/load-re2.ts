import type * as Re2 from 're2js';

/**
 * Regular expressions in policies: loaded when they are first used, since many processes never are in need of them. The
 * callers are synchronous, so `import()` is no way, and `require` with a literal name is what bundlers follow. It keeps
 * what it loaded: a second call costs a look-up.
 */
export function loadRe2(): typeof Re2 {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('re2js');
}
