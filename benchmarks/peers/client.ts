import { argumentOf } from './peer';
import type { ClientOptions } from './start-client';

// Both read the options as they are loaded. Whatever instruments grpc-js must stand before anything loads it; a client without
// spans loads none of it.
if (argumentOf<ClientOptions>().spans !== undefined) require('./spans');
require('./calls');
