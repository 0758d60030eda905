import type * as grpc from '@grpc/grpc-js';
import type { PaymentsClient } from '../peers/payments';

/** One way to make calls: a client, and what wraps it. */
export interface OpenVariant {
  readonly client: PaymentsClient;
  /** Around each unary call; the default makes it. */
  readonly charge?: (metadata: grpc.Metadata) => Promise<void>;
  /** Reads its metrics, as a scrape would; the default has none. */
  readonly collect?: () => Promise<void>;
  close(): Promise<void>;
}

/** `addresses`: `host:port` of each endpoint. Resolves when calls would be served without waiting. */
export type Variant = (addresses: readonly string[]) => Promise<OpenVariant>;
