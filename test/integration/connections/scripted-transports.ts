import * as grpc from '@grpc/grpc-js';

/** What grpc-js' subchannels ask of a connector and of the transports that it makes. */
interface ConnectorClass {
  readonly prototype: { connect(address: { readonly port: number }): Promise<unknown> };
}
const { Http2SubchannelConnector } = require('@grpc/grpc-js/build/src/transport') as {
  readonly Http2SubchannelConnector: ConnectorClass;
};

interface Listener {
  onReceiveMetadata(metadata: grpc.Metadata): void;
  onReceiveMessage(message: Buffer): void;
  onReceiveStatus(status: grpc.StatusObject): void;
}

/** A peer without sockets: it says when a connection attempt succeeds, fails, or a connection is lost. Answers every call. */
export class ScriptedPeer {
  readonly #waiting: { accept(transport: unknown): void; refuse(reason: string): void }[] = [];
  #drop: (() => void) | undefined;

  get isDialled(): boolean {
    return this.#waiting.length > 0;
  }

  get isConnected(): boolean {
    return this.#drop !== undefined;
  }

  accept(): void {
    this.#waiting.shift()?.accept(this.#transport());
  }

  refuse(): void {
    this.#waiting.shift()?.refuse('connect ECONNREFUSED');
  }

  lose(): void {
    const drop = this.#drop;
    this.#drop = undefined;
    drop?.();
  }

  dial(): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.push({ accept: resolve, refuse: reject }));
  }

  #transport(): object {
    return {
      addDisconnectListener: (listener: (tooManyPings: boolean) => void) => {
        this.#drop = () => listener(false);
      },
      createCall: (_metadata: unknown, _host: string, _method: string, listener: Listener) => answering(listener),
      shutdown: () => {},
      getChannelzRef: () => ({ kind: 'socket', id: 0, name: 'scripted' }),
      getPeerName: () => 'scripted',
      getOptions: () => ({}),
      getAuthContext: () => ({}),
    };
  }
}

function answering(listener: Listener): object {
  let isRead = false;
  return {
    cancelWithStatus: () => {},
    getPeer: () => 'scripted',
    getCallNumber: () => 0,
    getDeadlineInfo: () => [],
    getAuthContext: () => null,
    sendMessageWithContext: (context: { callback?: () => void }) => context.callback?.(),
    halfClose: () =>
      process.nextTick(() => {
        listener.onReceiveMetadata(new grpc.Metadata());
        // A frame without a body: the flag of compression and a length.
        listener.onReceiveMessage(Buffer.alloc(5));
        listener.onReceiveStatus({ code: 0, details: '', metadata: new grpc.Metadata() });
      }),
    startRead: () => {
      isRead = true;
      return isRead;
    },
  };
}

/** Puts `peers` in the place of the network, by port, until the returned function is called. */
export function scriptTransports(peers: ReadonlyMap<number, ScriptedPeer>): () => void {
  const { prototype } = Http2SubchannelConnector;
  const original = prototype.connect;
  prototype.connect = (address) =>
    peers.get(address.port)?.dial() ?? Promise.reject(new Error(`nobody is scripted at ${address.port}`));
  return () => {
    prototype.connect = original;
  };
}
