import { InvalidArgumentError } from 'commander';

export interface ListenAddress {
  /** Without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** `127.0.0.1:9464`, `[::1]:9464`, `rollouts.internal:9464`. */
export function parseListen(text: string): ListenAddress {
  const [, inner, plain, digits] = /^(?:\[([\da-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = inner ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) throw new InvalidArgumentError('(expected: HOST:PORT or [HOST]:PORT)');
  return { host, port };
}

/** `http://10.0.0.7:9464`, also below a path; without a slash at the end. */
export function parseAdvertise(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!isPlain || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    // Without the text: it may hold a password.
    throw new InvalidArgumentError('(expected: http or https, without user, password and query)');
  }
  return url.href.replace(/\/+$/, '');
}

/** Listens on every address, so that no other process can be told by it where to find this one. */
export function isWildcard({ host }: ListenAddress): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}
