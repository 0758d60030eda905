/** The most likely cause of a failure of a Consul agent, and what to do next. The first that fits counts. */
const LIKELY: readonly (readonly [reason: RegExp, next: string])[] = [
  [/HTTPS server|HTTP request to an HTTPS/i, 'it speaks TLS there: write https:// in --consul or CONSUL_HTTP_ADDR'],
  [/does not speak TLS/, 'write http:// in --consul or CONSUL_HTTP_ADDR, and unset CONSUL_HTTP_SSL'],
  [/certificate/, 'see docs/security.md, TLS to Consul: CONSUL_CACERT, CONSUL_TLS_SERVER_NAME, CONSUL_CLIENT_CERT'],
  [
    /^429$|ECONNRESET|EPIPE/m,
    'its http_max_conns_per_client (200 for all processes of one address) may be reached: close other clients, or raise it',
  ],
  [
    /no answer within/,
    'it accepts connections and does not answer: look whether the agent hangs, or a firewall drops it',
  ],
  [/^\d{3}$/m, "look at the agent's log"],
];

/** No agent was reached, so the token cannot be the cause. */
const UNREACHABLE = /\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)\b/;
const NO_AGENT = 'check --consul or CONSUL_HTTP_ADDR, and that an agent listens there';

/** What to do about an agent that does not answer, or answers with a failure. */
export function nextForAgent(reason: string, status?: number): string {
  return likely(`${status ?? ''}\n${reason}`) ?? NO_AGENT;
}

/** What to do about a request that failed. `otherwise`, which may name rights, counts where an agent was reached. */
export function nextForRequest(reason: string, otherwise: string): string;
export function nextForRequest(reason: string): string | undefined;
export function nextForRequest(reason: string, otherwise?: string): string | undefined {
  return likely(reason) ?? (UNREACHABLE.test(reason) ? NO_AGENT : otherwise);
}

function likely(text: string): string | undefined {
  return LIKELY.find(([pattern]) => pattern.test(text))?.[1];
}
