import { isIP } from 'node:net';

/** What is read of a request of Node's `http`, or of what a framework derives from it. */
export interface WebRequest {
  /** Default: GET. */
  readonly method?: string | undefined;
  /** Path and query. Default: `/`. */
  readonly url?: string | undefined;
  /** By their names in lower case. Default: none. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whose address says whether the listener is on loopback. Default: it is not. */
  readonly socket?:
    | {
        /** Where the request came in. */
        readonly localAddress?: string | undefined;
      }
    | undefined;
}

/**
 * Why a request is not answered: it was sent by a page of another site, or through a name that somebody else's DNS made
 * lead here. Undefined: nothing speaks against it. `hosts`: names that are ours beside loopback's, without ports.
 *
 * A listener on loopback answers to loopback's names, to addresses, and to `hosts`. Of any other listener nobody but
 * its owner knows the names: they are checked only where `hosts` is given.
 */
export function refusalOf(request: WebRequest, hosts: readonly string[] | undefined): string | undefined {
  const { headers = {} } = request;
  const host = single(headers['host']);
  const isChecked = hosts !== undefined || isLoopback(request.socket?.localAddress ?? '');
  if (isChecked && !isOurs(host, hosts ?? [])) {
    return `Host: ${shown(host)} (expected: localhost, an address, or a name that was allowed)`;
  }
  const origin = single(headers['origin']);
  if (origin !== undefined && hostOfOrigin(origin) !== host?.toLowerCase()) {
    return `Origin: ${shown(origin)} (expected: none, or the page's own)`;
  }
  const site = single(headers['sec-fetch-site']);
  const isFollowedLink = single(headers['sec-fetch-mode']) === 'navigate' && (request.method ?? 'GET') === 'GET';
  if (site === 'cross-site' && !isFollowedLink) return 'Sec-Fetch-Site: cross-site (expected: a request of this page)';
  return undefined;
}

export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\./.test(address) || address === '::1';
}

function isOurs(host: string | undefined, hosts: readonly string[]): boolean {
  // HTTP/1.0 has no Host; no browser sends that.
  if (host === undefined) return true;
  const name = withoutPort(host).toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0 || hosts.includes(name);
}

function withoutPort(host: string): string {
  const bracketed = /^\[(.*)\](:\d*)?$/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, '');
}

function hostOfOrigin(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase())?.[1];
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

function shown(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 80));
}
