import { isIPv6 } from 'node:net';
import { showValue } from '../base/shorten';

/** One place where a Consul agent answers. */
export interface AgentAddress {
  /** As shown in reasons and logs; never with credentials. */
  readonly text: string;
  /** Up to and including `/v1`. */
  readonly baseUrl: string;
  /** For `unix:` addresses; `baseUrl` is then only a form. */
  readonly socketPath: string | undefined;
}

const EXPECTED = '(expected: http://host:port, https://host:port, host:port or unix:///path)';

/** The address, or what is wrong with it as `value (expected: ...)`. */
export function parseAgentAddress(text: unknown, defaultScheme: 'http' | 'https'): AgentAddress | string {
  if (typeof text !== 'string' || text === '') return `${showValue(text)} ${EXPECTED}`;
  if (text.startsWith('unix://')) {
    const socketPath = text.slice('unix://'.length);
    if (!socketPath.startsWith('/')) return `${showValue(text)} ${EXPECTED}`;
    return { text, baseUrl: 'http://localhost/v1', socketPath };
  }
  const withScheme = text.includes('://') ? text : `${defaultScheme}://${text}`;
  if (!URL.canParse(withScheme)) return `${showValue(text)} ${EXPECTED}`;
  const url = new URL(withScheme);
  // The text may hold a password: it is not repeated.
  if (url.username !== '' || url.password !== '')
    return `(not shown) ${EXPECTED.replace(')', ', without credentials)')}`;
  const isHttp = url.protocol === 'http:' || url.protocol === 'https:';
  // `http:/host`: the scheme would be taken for a host.
  if (
    !isHttp ||
    /^https?$/.test(url.hostname) ||
    url.hostname === '' ||
    url.port === '0' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    return `${showValue(text)} ${EXPECTED}`;
  }
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return { text: `${url.origin}${path}`, baseUrl: `${url.origin}${path}/v1`, socketPath: undefined };
}

/** `::1` of `[::1]`, which people write where a port follows; any other address as it is. */
export function bareAddress(address: string): string {
  const inside = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : '';
  return isIPv6(inside) ? inside : address;
}
