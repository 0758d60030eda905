import type { ClientOptions } from './client-options';
import { argumentOf } from './peer';

// Both read the options as they are loaded. Whatever instruments grpc-js must stand before anything loads it; a client without
// spans loads none of it.
if (argumentOf<ClientOptions>().spans !== undefined) require('./spans');
require('./calls');
