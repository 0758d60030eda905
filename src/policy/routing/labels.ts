import type { Labels } from './call';

/** The part of grpc-js' Metadata that labels are read from. */
export interface LabelMetadata {
  get(key: string): readonly (string | Uint8Array)[];
}

/** Labels by lower-case key. */
export type LabelRecord = Readonly<Record<string, string>>;

/**
 * The labels of one call: its metadata, then ambient, then static ones; the nearest wins. A key that the metadata holds
 * twice counts as absent, whatever the other two say, since it is unclear which was meant; `onRepeated` is called.
 * Nothing is read before it is asked for, and each asking reads anew: metadata copies what it hands out.
 */
export function createCallLabels(
  metadata: LabelMetadata,
  ambient: LabelRecord | undefined,
  statics: LabelRecord | undefined,
  onRepeated?: (key: string) => void,
): Labels {
  return new CallLabels(metadata, ambient, statics, onRepeated);
}

/** A class, since one is made for every call: closures would cost an object each. */
class CallLabels implements Labels {
  readonly #metadata: LabelMetadata;
  readonly #ambient: LabelRecord | undefined;
  readonly #statics: LabelRecord | undefined;
  readonly #onRepeated: ((key: string) => void) | undefined;

  constructor(
    metadata: LabelMetadata,
    ambient: LabelRecord | undefined,
    statics: LabelRecord | undefined,
    onRepeated: ((key: string) => void) | undefined,
  ) {
    this.#metadata = metadata;
    this.#ambient = ambient;
    this.#statics = statics;
    this.#onRepeated = onRepeated;
  }

  get(key: string): string | undefined {
    if (key.endsWith('-bin')) return undefined;
    const values = this.#metadata.get(key);
    if (values.length > 1) {
      this.#onRepeated?.(key);
      return undefined;
    }
    const value = values[0];
    if (value !== undefined) return typeof value === 'string' ? value : undefined;
    return ownLabel(this.#ambient, key) ?? ownLabel(this.#statics, key);
  }
}

/** Labels from a plain record alone, keys lower-cased: for `explain()` and tests. */
export function labelsOf(record: LabelRecord): Labels {
  const values = new Map(Object.entries(record).map(([key, value]) => [key.toLowerCase(), value]));
  return { get: (key) => values.get(key) };
}

/** `constructor` and its kin are keys like any other. */
function ownLabel(labels: LabelRecord | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}
