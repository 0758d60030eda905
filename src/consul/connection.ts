import { lookup } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type ConsulClient from 'consul';
import type { AgentAddress } from './address';
import type { ParsedTlsOptions, TlsMaterial } from './tls';

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
  // Loaded late: static instances and files do without.
  // biome-ignore lint/style/noCommonJs: as in base/load-re2.ts
  const Consul: typeof ConsulClient = require('consul');
  return new Consul(given as ConstructorParameters<typeof Consul>[0]) as unknown as RawConsul;
}

/** papi hands the host of `http://[::1]:8500` on as it is written, brackets and all. */
const withoutBrackets: LookupFunction = (host, options, done) => {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  lookup(bare, options, done);
};

interface Destination {
  readonly host?: string;
  readonly port?: number | string;
  readonly lookup?: LookupFunction;
}
type Connected = (error: Error | null, socket?: Duplex) => void;

/**
 * HTTPS connections to one Consul agent, kept between requests. Certificates are asked for at each new connection, so
 * that rotated files serve without a restart and a missing one is an ordinary failure, which is tried again. Sessions
 * are not resumed: a connection that stands has shown its certificate.
 */
class SecureAgent extends Agent {
  readonly #options: ParsedTlsOptions;
  readonly #material: TlsMaterial;
  #isClosed = false;

  constructor(options: ParsedTlsOptions, material: TlsMaterial) {
    super({ keepAlive: true, maxCachedSessions: 0 });
    this.#options = options;
    this.#material = material;
  }

  /** Called by Node for each connection that a request needs. */
  override createConnection(to: Destination, connected: Connected): undefined {
    this.#connect(to).then(
      (socket) => connected(null, socket),
      (error) => connected(error instanceof Error ? error : new Error(String(error))),
    );
    return undefined;
  }

  override destroy(): void {
    this.#isClosed = true;
    super.destroy();
  }

  async #connect(to: Destination): Promise<Duplex> {
    const secureContext = await this.#material.context();
    if (this.#isClosed) throw new Error('closed');
    const { servername, rejectUnauthorized } = this.#options;
    const host = (to.host ?? 'localhost').replace(/^\[|\]$/g, '');
    return connect({
      host,
      port: Number(to.port ?? 443),
      // An IP address is no server name; the certificate is then checked against the address.
      servername: servername ?? (isIP(host) === 0 ? host : ''),
      rejectUnauthorized,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      ...(to.lookup === undefined ? {} : { lookup: to.lookup }),
    });
  }
}
