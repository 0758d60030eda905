import type * as Grpc from '@grpc/grpc-js';
import type * as Telemetry from '@opentelemetry/api';
import type ConsulClient from 'consul';
import type * as Re2 from 're2js';
import type * as Yaml from 'yaml';

/*
 * Packages that many processes never need, or not before a first call has gone out: each is loaded when it is first
 * used. The callers are synchronous, so `import()` is no way, and `require` with a literal name is what bundlers
 * follow. It keeps what it loaded: a second call costs a look-up.
 */

/** Documents in YAML; those in JSON and in code do without. */
export function loadYaml(): typeof Yaml {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('yaml');
}

/** Regular expressions in policies. */
export function loadRe2(): typeof Re2 {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('re2js');
}

/** Load shedding; a server that only registers itself does without. */
export function loadGrpc(): typeof Grpc {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('@grpc/grpc-js');
}

/** Figures of a server that sheds load. */
export function loadTelemetry(): typeof Telemetry {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('@opentelemetry/api');
}

/** Requests to Consul; static instances and files do without. */
export function loadConsul(): typeof ConsulClient {
  // biome-ignore lint/style/noCommonJs: the reason stands above
  return require('consul');
}
