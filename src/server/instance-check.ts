/** How Consul learns whether an instance is well. */
export type InstanceCheck =
  | {
      /** Consul's agent asks the gRPC health service (`grpc-health-check`) of the server. */
      readonly type: 'grpc';
      /** Name in the health service. Default: the whole server. */
      readonly service?: string;
      /** `host:port` under which the agent reaches the server. Default: the instance's address, else 127.0.0.1, and its port. */
      readonly target?: string;
      /** The server speaks TLS. Default false. */
      readonly useTls?: boolean;
      /** Between two questions, 1,000..600,000 ms. Default 5,000. */
      readonly intervalMs?: number;
      /** 100..60,000 ms. Default 2,000. */
      readonly timeoutMs?: number;
    }
  | {
      /** This process reports itself, three times in `ttlMs`; Consul calls it critical when it has not for that long. */
      readonly type: 'ttl';
      /** 1,000..600,000 ms. Default 15,000. */
      readonly ttlMs?: number;
    }
  /** Registered means well. */
  | { readonly type: 'none' };

/** How Consul learns that an instance is well. */
export type CheckKind = InstanceCheck['type'];

/** {@link InstanceCheck} with all defaults applied. */
export type ParsedCheck =
  | { readonly type: 'none' }
  | { readonly type: 'ttl'; readonly ttlMs: number }
  | {
      readonly type: 'grpc';
      readonly service: string;
      readonly target: string;
      readonly useTls: boolean;
      readonly intervalMs: number;
      readonly timeoutMs: number;
    };
