import type { IncomingMessage } from 'node:http';
import { showValue } from '../../base/shorten';
import { refusalOf } from '../../base/web/foreign';

/** A page of another site cannot set it without asking first, and nothing here answers such a question. */
const CONSOLE_HEADER = 'x-graylane-console';
const TOKEN_HEADER = 'x-consul-token';

/** Longest token that is passed on. Consul's own are 36 characters, those of a login method up to some hundred. */
const LONGEST_TOKEN = 1024;

/** Why a request is turned away before anything of it is looked at. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/**
 * Refuses what somebody else's page may have made a browser ask of the API: a name that leads here by another's DNS,
 * another origin, a question or a write without the console's own header. And a token anywhere but in its header, since
 * addresses end up in logs. `hosts`: names that are ours beside loopback's.
 */
export function apiRefusal(request: IncomingMessage, hosts: readonly string[]): Refusal | undefined {
  const { method = 'GET', headers, url = '/' } = request;
  const foreign = refusalOf(request, hosts);
  if (foreign !== undefined) return { status: 403, reason: foreign };
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return { status: 403, reason: `Sec-Fetch-Site: ${showValue(site)} (expected: same-origin)` };
  }
  if (method !== 'GET' && headers[CONSOLE_HEADER] === undefined) {
    return { status: 403, reason: `${CONSOLE_HEADER}: missing (expected with ${showValue(method)})` };
  }
  if (/[?&][^=&]*token/i.test(url)) {
    return { status: 400, reason: `token: in the address (expected: in the header ${TOKEN_HEADER})` };
  }
  const token = headers[TOKEN_HEADER];
  if (token !== undefined && !isToken(token)) {
    return { status: 400, reason: `${TOKEN_HEADER}: not a token (expected: 1 to ${LONGEST_TOKEN} visible characters)` };
  }
  return undefined;
}

/** The caller's token; undefined without one. Call it after {@link apiRefusal}. */
export function tokenOf({ headers }: IncomingMessage): string | undefined {
  const token = headers[TOKEN_HEADER];
  return typeof token === 'string' ? token : undefined;
}

function isToken(token: string | readonly string[]): boolean {
  return typeof token === 'string' && token.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(token);
}
