import { isIPv6 } from 'node:net';

/** `::1` of `[::1]`, which people write where a port follows; any other address as it is. */
export function bareAddress(address: string): string {
  const inside = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : '';
  return isIPv6(inside) ? inside : address;
}
