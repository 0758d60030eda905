const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/**
 * Hands the numbers of a protobuf message to `take`, from byte `at` on: integers and doubles; all else is passed over.
 * For messages that are too small to earn a dependency. False: the message cannot be read. Never throws.
 */
export function readNumbers(
  bytes: Buffer,
  at: number,
  take: (field: number, value: number, isDouble: boolean) => void,
): boolean {
  const reader = { bytes, at };
  while (reader.at < bytes.length) {
    const tag = readVarint(reader);
    const wireType = tag & 7;
    if (wireType === FIXED_64 && reader.at + 8 <= bytes.length) {
      take(tag >>> 3, bytes.readDoubleLE(reader.at), true);
      reader.at += 8;
    } else if (wireType === FIXED_32) reader.at += 4;
    else if (wireType === LENGTH_DELIMITED) {
      const length = readVarint(reader);
      reader.at += length;
    } else if (wireType === VARINT) take(tag >>> 3, readVarint(reader), false);
    else return false;
    if (!(reader.at <= bytes.length)) return false;
  }
  return true;
}

/** NaN, and so beyond the end, where it is cut off. Ten bytes at most. */
function readVarint(reader: { readonly bytes: Buffer; at: number }): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) break;
    reader.at += 1;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
  reader.at = Number.NaN;
  return Number.NaN;
}
