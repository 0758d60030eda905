import type { SpansOf } from '../variants';
import { argumentOf } from './peer';

export interface ClientOptions {
  /** A key of VARIANTS or of PROXIED. */
  readonly variant: string;
  readonly addresses: readonly string[];
  readonly spans: SpansOf | undefined;
}

// Both read the options as they are loaded. Whatever instruments grpc-js must stand before anything loads it; a client without
// spans loads none of it.
if (argumentOf<ClientOptions>().spans !== undefined) require('./spans');
require('./calls');
