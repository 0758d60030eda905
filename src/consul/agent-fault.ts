/** What Consul says of the question, whichever agent is asked: of a datacenter, a filter, a permission, or how it is set up. */
const OF_THE_QUESTION =
  /no path to datacenter|boolean expression evaluator|failed to create filter|error finding value in datum|permission denied|ACL (not found|support disabled)|connect must be enabled|no cluster ca config/i;

/**
 * Whether another agent may well answer what this one did not: it is overloaded (429), it has no servers or no leader, or it is
 * broken (500 and the gateways' 502, 503, 504). Not so for what Consul says of the question or of the token.
 * https://developer.hashicorp.com/consul/api-docs#response-codes
 */
export function isFaultOfAgent(status: number, reason: string): boolean {
  if (status === 429 || (status >= 502 && status <= 504)) return true;
  return status === 500 && !OF_THE_QUESTION.test(reason);
}
