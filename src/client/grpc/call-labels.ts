import { AsyncResource } from 'node:async_hooks';
import { cookieValues, isCookieKey } from '../../policy/cookie';
import type { Labels } from '../../policy/routing/call';
import { type Metadata, type ValuesByKey, valuesByKey } from './grpc-js';

/** An AsyncResource without destroy hooks costs no finalizer. */
const RESOURCE_OPTIONS = { requireManualDestroy: true };
const NO_VALUES: ValuesByKey = new Map();
/** Where `cookie:name` has its colon, which no other key has. */
const COLON_AT = 6;
const COLON = 58;

/** The labels of one call, which looks them up itself: that saves an object. Runs in its caller's async context. */
export class CallLabels extends AsyncResource implements Labels {
  /** Where labels are read; undefined before the decision. */
  protected metadata: Pick<Metadata, 'get'> | undefined = undefined;
  #staticLabels: Readonly<Record<string, string>> | undefined = undefined;
  #onRepeated: ((key: string) => void) | undefined = undefined;
  #values: ValuesByKey = NO_VALUES;
  /** No label stands elsewhere. */
  #isOnlyMetadata = false;

  constructor() {
    super('GraylaneCall', RESOURCE_OPTIONS);
  }

  /**
   * Says where the labels of the call are: in its metadata, then among the static ones. Nothing is read before it is
   * asked for, and each question reads anew. `onRepeated` is called with a key that the metadata holds twice.
   */
  readLabelsFrom(
    metadata: Pick<Metadata, 'get'>,
    staticLabels: Readonly<Record<string, string>> | undefined,
    onRepeated?: (key: string) => void,
  ): void {
    this.metadata = metadata;
    this.#staticLabels = staticLabels;
    this.#onRepeated = onRepeated;
    const values = valuesByKey(metadata);
    this.#values = values ?? NO_VALUES;
    this.#isOnlyMetadata = values !== undefined && staticLabels === undefined;
  }

  get labels(): Labels {
    return this;
  }

  /** A label. One that the metadata holds twice counts as absent, since it is unclear which was meant. */
  get(key: string): string | undefined {
    // Most labels are in the metadata once, or nowhere. Few instructions, so that they are inlined into the decision.
    const values = this.#values.get(key);
    if (values === undefined) {
      if (this.#isOnlyMetadata && key.charCodeAt(COLON_AT) !== COLON) return undefined;
    } else if (values.length === 1) {
      const value = values[0];
      if (typeof value === 'string') return value;
    }
    return this.#lookUp(key);
  }

  #lookUp(key: string): string | undefined {
    const metadata = this.metadata;
    if (metadata === undefined || key.endsWith('-bin')) return undefined;
    const values = isCookieKey(key) ? cookieValues(metadata.get('cookie'), key) : metadata.get(key);
    if (values.length > 1) {
      this.#onRepeated?.(key);
      return undefined;
    }
    const [value] = values;
    if (value !== undefined) return typeof value === 'string' ? value : undefined;
    const statics = this.#staticLabels;
    // `constructor` and its kin are keys like any other.
    return statics !== undefined && Object.hasOwn(statics, key) ? statics[key] : undefined;
  }
}
