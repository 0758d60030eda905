import { Agent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { TlsMaterial } from './tls-material';
import type { ParsedTlsOptions } from './tls-options';

interface ConnectTo {
  readonly host?: string;
  readonly port?: number | string;
  readonly lookup?: LookupFunction;
}
type Connected = (error: Error | null, socket?: Duplex) => void;

/**
 * HTTPS connections to one Consul agent, kept between requests. Certificates are asked for at each new connection, so that
 * rotated files serve without a restart and a missing one is an ordinary failure, which is tried again. Sessions are not
 * resumed: a connection that stands has shown its certificate.
 */
export class SecureAgent extends Agent {
  readonly #options: ParsedTlsOptions;
  readonly #material: TlsMaterial;
  #isClosed = false;

  constructor(options: ParsedTlsOptions, material: TlsMaterial) {
    super({ keepAlive: true, maxCachedSessions: 0 });
    this.#options = options;
    this.#material = material;
  }

  /** Called by Node for each connection that a request needs. */
  override createConnection(to: ConnectTo, connected: Connected): undefined {
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

  async #connect(to: ConnectTo): Promise<Duplex> {
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
