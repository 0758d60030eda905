import { lookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import { loadConsul } from '../base/lazy-modules';
import type { AgentAddress } from './agent-address';
import { SecureAgent } from './secure-agent';
import type { TlsMaterial } from './tls-material';
import type { ParsedTlsOptions } from './tls-options';

/** What papi offers beyond the declared types of npm `consul`. */
export interface RawConsul {
  _get: RawCall;
  _put: RawCall;
  destroy(): void;
}
type RawCall = (
  request: object,
  then: (state: { res?: IncomingMessage; err?: Error }, next: Next) => void,
) => Promise<unknown>;
type Next = (ended: false, failure: Error | undefined, value?: unknown) => void;

/** Requests to one agent; its connections are kept between them. Opens nothing yet. */
export function connectAgent(address: AgentAddress, tls: ParsedTlsOptions, material: TlsMaterial): RawConsul {
  const { baseUrl, socketPath } = address;
  // `baseUrl`, `socketPath`, `lookup` and `agent` are understood but not declared.
  const given = {
    baseUrl,
    lookup: withoutBrackets,
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(baseUrl.startsWith('https:') ? { agent: new SecureAgent(tls, material) } : {}),
  };
  const Consul = loadConsul();
  return new Consul(given as ConstructorParameters<typeof Consul>[0]) as unknown as RawConsul;
}

/** papi hands the host of `http://[::1]:8500` on as it is written, brackets and all. */
const withoutBrackets: LookupFunction = (host, options, done) => {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  lookup(bare, options, done);
};
