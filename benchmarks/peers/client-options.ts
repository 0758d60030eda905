import type { SpansOf } from '../variants';

export interface ClientOptions {
  /** A key of VARIANTS or of PROXIED. */
  readonly variant: string;
  readonly addresses: readonly string[];
  readonly spans: SpansOf | undefined;
}
