import * as grpc from '@grpc/grpc-js';

/** A service with one method of each kind, whose messages are bytes and whose handlers a test replaces. */
export const KINDS = ['unary', 'upload', 'watch', 'talk'] as const;
export type Kind = (typeof KINDS)[number];

export function hasOneResponse(kind: Kind): boolean {
  return kind === 'unary' || kind === 'upload';
}

export function hasUpload(kind: Kind): boolean {
  return kind === 'upload' || kind === 'talk';
}

const asItIs = (value: Buffer): Buffer => value;

function methodOf(kind: Kind): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/test.Variants/${kind}`,
    requestStream: hasUpload(kind),
    responseStream: !hasOneResponse(kind),
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
}

export type Definition = Readonly<Record<Kind, grpc.MethodDefinition<Buffer, Buffer>>>;

export const DEFINITION: Definition = {
  unary: methodOf('unary'),
  upload: methodOf('upload'),
  watch: methodOf('watch'),
  talk: methodOf('talk'),
};

/** All that handlers of the four kinds have; each has a part of it. */
type ServerCall = grpc.ServerDuplexStream<Buffer, Buffer> & { readonly request: Buffer | undefined };
/** `answer` is missing in a stream of responses. */
export type Handler = (call: ServerCall, answer: grpc.sendUnaryData<Buffer> | undefined) => void;

/** Reads the whole request, then answers with what its length was. */
export const echo: Handler = (call, answer) => {
  let length = call.request?.length ?? 0;
  const end = (): void => {
    if (answer !== undefined) answer(null, Buffer.from(`got ${length}`));
    else {
      for (let sent = 0; sent < 3; sent += 1) call.write(Buffer.from(`${sent} of ${length}`));
      call.end();
    }
  };
  if (call.request !== undefined) {
    end();
    return;
  }
  call.on('data', (message: Buffer) => {
    length += message.length;
  });
  call.on('end', end);
  call.on('error', () => {});
};

/** Ends the call with this status, at once. */
export function failWith(status: Partial<grpc.StatusObject>): Handler {
  return (call, answer) => {
    call.on('error', () => {});
    if (answer !== undefined) answer(status);
    else call.emit('error', status);
  };
}

export const hang: Handler = (call) => {
  call.on('error', () => {});
  if (call.request === undefined) call.resume();
};

interface Execution {
  readonly metadata: grpc.Metadata;
}

export interface Service {
  readonly ports: readonly number[];
  readonly executions: readonly Execution[];
  handler: Handler;
  close(): void;
}

/** Two instances of it. */
export async function startService(options: grpc.ServerOptions): Promise<Service> {
  const executions: Execution[] = [];
  const servers: grpc.Server[] = [];
  const ports: number[] = [];
  const service: Service = {
    ports,
    executions,
    handler: echo,
    close: () => {
      for (const server of servers) server.forceShutdown();
    },
  };
  for (let made = 0; made < 2; made += 1) {
    const server = new grpc.Server(options);
    const handle = (call: ServerCall, answer: grpc.sendUnaryData<Buffer> | undefined): void => {
      executions.push({ metadata: call.metadata });
      service.handler(call, answer);
    };
    server.addService(
      DEFINITION as unknown as grpc.ServiceDefinition,
      Object.fromEntries(KINDS.map((kind) => [kind, handle])) as unknown as grpc.UntypedServiceImplementation,
    );
    servers.push(server);
    ports.push(
      await new Promise<number>((resolve, reject) =>
        server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
          error === null ? resolve(port) : reject(error),
        ),
      ),
    );
  }
  return service;
}
