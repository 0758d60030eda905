import { GraylaneError } from '../../base/errors';
import type { Service } from '../state/service';
import type { Target } from './target';
/** What a resolver needs of a Graylane client. Travels as a channel option. */
export interface ClientHandle {
  readonly name: string;
  /**
   * The client's one object for this target. Throws LANE_CLOSED, and INVALID_TARGET for what the client cannot serve.
   */
  service(target: Target): Service;
  /** grpc-js may print channel options when tracing is on. */
  toJSON(): string;
}

const open = new Set<ClientHandle>();
let registered: ClientHandle | undefined;

export function addClient(client: ClientHandle): void {
  open.add(client);
}

export function removeClient(client: ClientHandle): void {
  open.delete(client);
  if (registered === client) registered = undefined;
}

/** Makes a client the one that bare targets find, whatever others are open. */
export function registerClient(client: ClientHandle): void {
  registered = client;
}

/** The client of a channel that names none: the registered one, else the only open one. Throws NO_LANE otherwise. */
export function soleClient(): ClientHandle {
  if (registered !== undefined) return registered;
  const [only, ...others] = open;
  if (only !== undefined && others.length === 0) return only;
  const why =
    only === undefined
      ? 'no Graylane client is open: call createGraylane() first, or import graylane/register'
      : `several Graylane clients are open (${[...open].map((client) => client.name).join(', ')}): pass graylane.clientOptions() to the client, or use graylane.channel()`;
  throw new GraylaneError('NO_CLIENT', why);
}
