/** The most likely cause of what Consul said, and what to do next. The first that fits counts. */
const LIKELY: readonly (readonly [reason: RegExp, next: string])[] = [
  [/HTTPS server|HTTP request to an HTTPS/i, 'it speaks TLS there: write https:// in --consul or CONSUL_HTTP_ADDR'],
  [/does not speak TLS/, 'write http:// in --consul or CONSUL_HTTP_ADDR, and unset CONSUL_HTTP_SSL'],
  [/certificate/, 'see docs/security.md, TLS to Consul: CONSUL_CACERT, CONSUL_TLS_SERVER_NAME, CONSUL_CLIENT_CERT'],
  [/Enterprise feature/i, 'unset CONSUL_NAMESPACE and CONSUL_PARTITION: this Consul has neither'],
  [
    /a page\b|not JSON|answer is not (?:a|the) |not of a transaction|does not speak HTTP|HTTP (?:3\d\d|404)\b/,
    "something else answers there: write the address of Consul's agent in --consul or CONSUL_HTTP_ADDR",
  ],
  [
    /HTTP 429\b|ECONNRESET|EPIPE/,
    'its http_max_conns_per_client (200 for all processes of one address) may be reached: close other clients, or raise it',
  ],
  [
    /no answer within/,
    'it accepts connections and does not answer: look whether the agent hangs, or a firewall drops it',
  ],
  [/no path to datacenter/i, "look whether that datacenter's servers run, and are joined to these"],
  [/no (?:cluster )?leader/i, "look at the servers' logs"],
];

/** The token is known to be the cause. */
const DENIED = /HTTP 40[13]\b|permission denied|ACL not found/i;
/** No agent was reached, so the token cannot be the cause. */
const UNREACHABLE = /\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)\b/;
const NO_AGENT = 'check --consul or CONSUL_HTTP_ADDR, and that an agent listens there';

/** What to do about a failed question to Consul. */
export function consulNextStep(reason: string): string {
  const isDenied = DENIED.test(reason) && likely(reason) === undefined;
  return isDenied
    ? 'give a token that may: --token-file, CONSUL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN'
    : nextForAgent(reason);
}

/** What to do about an agent that does not answer, or answers with a failure. */
export function nextForAgent(reason: string): string {
  return likely(reason) ?? (/HTTP \d{3}\b/.test(reason) ? "look at the agent's log" : NO_AGENT);
}

/** What to do about a request that failed. `otherwise`, which may name rights, counts where an agent was reached. */
export function nextForRequest(reason: string, otherwise: string): string {
  return likely(reason) ?? (UNREACHABLE.test(reason) ? NO_AGENT : otherwise);
}

function likely(text: string): string | undefined {
  return LIKELY.find(([pattern]) => pattern.test(text))?.[1];
}
