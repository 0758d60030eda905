import ipaddr, { type IPv6 } from 'ipaddr.js';

/** Addresses whose answer is kept: callers repeat, and parsing costs about a microsecond. */
const MEMOISED_VALUES = 1_024;

/** No address is longer, zone included; spares the check for anything else. */
const MAX_ADDRESS_CHARACTERS = 64;

/** Bits before the IPv4 address in its IPv6 form. */
const IPV4_BITS = 96;

/** IPv4 addresses stand in their IPv6 form (`::ffff:10.0.0.1`), so that both spellings are one address. */
interface Block {
  readonly address: IPv6;
  readonly prefixLength: number;
}

/** True for `10.0.0.0/8`, `2001:db8::/32` and single addresses. */
export function isCidr(text: string): boolean {
  return parseBlock(text) !== undefined;
}

/**
 * IPv4 addresses written as IPv6 (`::ffff:10.0.0.1`, formerly `::10.0.0.1`) count as IPv4, which no IPv6 block holds,
 * `::/0` neither. `blocks` must have passed {@link isCidr}.
 */
export function cidrTest(blocks: readonly string[]): (value: string) => boolean {
  const list = blocks.map(parseBlock).filter((block) => block !== undefined);
  const answers = new Map<string, boolean>();
  return (value) => {
    if (value.length > MAX_ADDRESS_CHARACTERS) return false;
    const known = answers.get(value);
    if (known !== undefined) return known;
    // A zone (`fe80::1%eth0`) names an interface of the sender and says nothing about the block.
    const address = parseAddress(value.includes(':') ? value.replace(/%.*$/, '') : value);
    const answer = address !== undefined && list.some((block) => holds(block, address));
    if (answers.size >= MEMOISED_VALUES) answers.clear();
    answers.set(value, answer);
    return answer;
  };
}

function holds({ address, prefixLength }: Block, given: IPv6): boolean {
  if (prefixLength < IPV4_BITS && given.isIPv4MappedAddress()) return false;
  return given.match(address, prefixLength);
}

function parseBlock(text: string): Block | undefined {
  const [, written, length] = /^([0-9A-Fa-f:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = written === undefined ? undefined : parseAddress(written);
  if (written === undefined || address === undefined) return undefined;
  const [most, before] = written.includes(':') ? [128, 0] : [32, IPV4_BITS];
  const prefixLength = length === undefined ? most : Number(length);
  return prefixLength > most ? undefined : { address, prefixLength: before + prefixLength };
}

function parseAddress(text: string): IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toIPv4MappedAddress();
  return text.includes(':') && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined;
}
