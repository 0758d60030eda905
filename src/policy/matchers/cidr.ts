import { BlockList, isIP } from 'node:net';

/** Addresses whose answer is kept: a check leaves JavaScript, callers repeat. */
const MEMOISED_VALUES = 1_024;

/** No address is longer, zone included; spares the check for anything else. */
const MAX_ADDRESS_CHARACTERS = 64;

interface Block {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** True for `10.0.0.0/8`, `2001:db8::/32` and single addresses. */
export function isCidr(text: string): boolean {
  return parseBlock(text) !== undefined;
}

/** IPv4 addresses written as IPv6 (`::ffff:10.0.0.1`) count as IPv4. `blocks` must have passed {@link isCidr}. */
export function cidrTest(blocks: readonly string[]): (value: string) => boolean {
  const list = new BlockList();
  for (const text of blocks) {
    const block = parseBlock(text);
    if (block !== undefined) list.addSubnet(block.address, block.prefixLength, block.family);
  }
  const answers = new Map<string, boolean>();
  return (value) => {
    if (value.length > MAX_ADDRESS_CHARACTERS) return false;
    const known = answers.get(value);
    if (known !== undefined) return known;
    // A zone (`fe80::1%eth0`) names an interface of the sender and says nothing about the block.
    const address = value.includes(':') ? value.replace(/%.*$/, '') : value;
    const family = isIP(address);
    const answer = family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
    if (answers.size >= MEMOISED_VALUES) answers.clear();
    answers.set(value, answer);
    return answer;
  };
}

function parseBlock(text: string): Block | undefined {
  const [, address, length] = /^([0-9A-Fa-f:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address ?? '');
  if (address === undefined || family === 0) return undefined;
  const most = family === 4 ? 32 : 128;
  const prefixLength = length === undefined ? most : Number(length);
  return prefixLength > most ? undefined : { address, prefixLength, family: family === 4 ? 'ipv4' : 'ipv6' };
}
