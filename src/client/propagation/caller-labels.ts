import type { PeerCertificate } from 'node:tls';
import type { OptionReader } from '../../base/option-reader';
import { showValue } from '../../base/shorten';
import { labelKeyFault } from '../../policy/label-key';
import { cidrTest, isCidr } from '../../policy/matchers/cidr';

/** Labels that a server makes of what it knows of a caller, whatever the caller says. */
export interface CallerOptions {
  /** Key of the label that gets the caller's IP address. Default: none does. */
  readonly address?: string;
  /**
   * Key of the label that gets what the caller's certificate proves (mutual TLS): its SPIFFE ID or other URI, else its
   * first DNS name, else its common name. Without a verified certificate there is no label. Default: none gets it.
   */
  readonly identity?: string;
  /**
   * Blocks of addresses, such as `10.0.0.0/8`, whose `x-forwarded-for` is believed: the address is then the last one in
   * it that is in none of them. Default: nobody's is.
   */
  readonly trustedProxies?: readonly string[];
}

/** {@link CallerOptions}, checked. Keys are in lower case. */
export interface CallerRules {
  readonly address: string | undefined;
  readonly identity: string | undefined;
  isTrusted(address: string): boolean;
}

/** What is known of the other side of a connection. */
export interface CallerFacts {
  /** Its address; undefined where it has none, as with Unix sockets. */
  readonly address: string | undefined;
  readonly forwardedFor: readonly (string | Buffer)[];
  /** Only one that was verified. */
  certificate(): Pick<PeerCertificate, 'subject' | 'subjectaltname'> | undefined;
}

/** Characters of `x-forwarded-for` that are read, from its end. */
const MOST_FORWARDED = 4_096;
const KEYS: readonly (keyof CallerOptions)[] = ['address', 'identity', 'trustedProxies'];

/** Undefined where nothing is asked for. `accepted`: keys that callers may set, which cannot be set here. */
export function readCallerOptions(read: OptionReader, accepted: readonly string[]): CallerRules | undefined {
  const inner = read.inner('caller', KEYS);
  if (inner === undefined) return undefined;
  const keyOf = (name: 'address' | 'identity'): string | undefined => {
    const value = inner.value(name);
    if (value === undefined) return undefined;
    const key = typeof value === 'string' ? value.toLowerCase() : '';
    const fault = labelKeyFault(key) ?? (accepted.includes(key) ? 'a key that no caller may set by accept' : undefined);
    if (fault !== undefined) inner.problem(name, showValue(value), fault);
    return key;
  };
  const proxies = inner.texts('trustedProxies');
  for (const [index, block] of proxies.entries()) {
    if (!isCidr(block)) inner.problem(`trustedProxies[${index}]`, showValue(block), 'a block such as 10.0.0.0/8');
  }
  const isTrusted = proxies.length === 0 ? () => false : cidrTest(proxies);
  return { address: keyOf('address'), identity: keyOf('identity'), isTrusted };
}

/** Adds the labels to those that the caller was allowed to set. */
export function addCallerLabels(labels: Record<string, string>, rules: CallerRules, facts: CallerFacts): void {
  if (rules.address !== undefined) {
    const address = callerAddress(facts, rules);
    if (address !== undefined) labels[rules.address] = address;
  }
  if (rules.identity !== undefined) {
    const certificate = facts.certificate();
    const identity = certificate === undefined ? undefined : identityOf(certificate);
    if (identity !== undefined) labels[rules.identity] = identity;
  }
}

/** From the nearest proxy to the farthest: whatever stands before the first stranger was written by the stranger. */
function callerAddress({ address: peer, forwardedFor }: CallerFacts, { isTrusted }: CallerRules): string | undefined {
  let address = peer === undefined ? undefined : plainAddress(peer);
  if (address === undefined || !isTrusted(address)) return address;
  const hops = forwardedFor.flatMap((value) => String(value).slice(-MOST_FORWARDED).split(','));
  for (const hop of hops.reverse()) {
    const next = plainAddress(hop.trim());
    if (next === undefined) return address;
    address = next;
    if (!isTrusted(next)) return next;
  }
  return address;
}

/** Of `10.0.0.1:5000`, `[::1]:5000` and `::ffff:10.0.0.1` the address alone; undefined for what is none. */
function plainAddress(text: string): string | undefined {
  const [, inBrackets] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? [];
  const address = (inBrackets ?? text.replace(/^((?:\d+\.){3}\d+):\d+$/, '$1')).replace(/^::ffff:(?=\d+\.)/i, '');
  return isCidr(address) && !address.includes('/') ? address : undefined;
}

/** Printable ASCII without the comma, by which HTTP joins values. */
const PLAIN = /^[!-+\--~]{1,1024}$/;

function identityOf({
  subject,
  subjectaltname,
}: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): string | undefined {
  // Node quotes names that hold commas or quotes; such a name could pass for another, and is none here.
  const names = (subjectaltname ?? '').split(', ');
  const found = ['URI:', 'DNS:'].flatMap(
    (kind) => names.find((name) => name.startsWith(kind))?.slice(kind.length) ?? [],
  );
  const [identity = subject?.CN] = found;
  return typeof identity === 'string' && PLAIN.test(identity) && !identity.includes('"') ? identity : undefined;
}
