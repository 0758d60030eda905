const texts = new Map<number, string>();

/** A duration as grpc-js wants it. Calls ask for the same few. */
export function seconds(milliseconds: number): string {
  const known = texts.get(milliseconds);
  if (known !== undefined) return known;
  const text = `${milliseconds / 1000}s`;
  if (texts.size < 1_000) texts.set(milliseconds, text);
  return text;
}
