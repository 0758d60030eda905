import { type BaggageEntry, type Context, context, propagation } from '@opentelemetry/api';

/** W3C Baggage: a header is read up to this length. https://www.w3.org/TR/baggage/#limits */
const LONGEST_HEADER = 8_192;

/**
 * Values of these keys in a `baggage` header, decoded; null for a key that stands in it twice or cannot be decoded. A
 * header that is too long holds nothing.
 */
export function readBaggage(
  headers: readonly (string | Buffer)[],
  keys: readonly string[],
): ReadonlyMap<string, string | null> {
  const found = new Map<string, string | null>();
  for (const member of members(headers)) {
    const key = keyOf(member);
    if (!keys.includes(key)) continue;
    found.set(key, found.has(key) ? null : decode(member.slice(member.indexOf('=') + 1)));
  }
  return found;
}

/** The header with only the entries of these keys; undefined when none is left. */
export function keepBaggage(headers: readonly (string | Buffer)[], keys: readonly string[]): string | undefined {
  const kept = members(headers).filter((member) => keys.includes(keyOf(member)));
  return kept.length === 0 ? undefined : kept.join(',');
}

/** A context whose baggage is these labels alone, or these on top of what it holds. */
export function withBaggage(labels: Readonly<Record<string, string>>, onTop: boolean): Context {
  const active = context.active();
  const held = (onTop ? propagation.getBaggage(active) : undefined)?.getAllEntries() ?? [];
  // Cookies are headers, and nothing of them becomes baggage.
  const entries = Object.entries(labels).filter(([key]) => key !== 'cookie');
  const added = entries.map(([key, value]): [string, BaggageEntry] => [key, { value }]);
  // All at once: `setEntry()` copies what is there.
  const baggage = propagation.createBaggage(Object.fromEntries([...held, ...added]));
  return propagation.setBaggage(active, baggage);
}

function members(headers: readonly (string | Buffer)[]): readonly string[] {
  const whole = headers.filter((header) => typeof header === 'string').join(',');
  if (whole.length > LONGEST_HEADER) return [];
  return whole
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member.includes('='));
}

function keyOf(member: string): string {
  return member.slice(0, member.indexOf('=')).trim().toLowerCase();
}

/** Properties after a semicolon are not ours. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.split(';', 1)[0]?.trim() ?? '');
  } catch {
    return null;
  }
}
