import type { SpansOf } from '../variants';

export interface ClientOptions {
  /** A key of VARIANTS, of PROXIED or of MIRRORED. */
  readonly variant: string;
  readonly addresses: readonly string[];
  readonly spans: SpansOf | undefined;
  /** Calls before anything is measured; default 30,000. */
  readonly warmUpCalls?: number;
}
