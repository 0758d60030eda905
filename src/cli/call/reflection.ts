import { type Client, type ClientDuplexStream, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader';
import { CommandError } from '../command';

type Request = { fileByFilename: string } | { fileContainingSymbol: string } | { listServices: string };

interface Response {
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto?: readonly Buffer[] };
  readonly listServicesResponse?: { readonly service?: readonly { readonly name?: string }[] };
  readonly errorResponse?: { readonly errorCode?: number; readonly errorMessage?: string };
}

interface FileHeader {
  readonly name?: string;
  readonly dependency?: readonly string[];
}

/** Both versions have the same messages. */
const VERSIONS: readonly string[] = ['v1', 'v1alpha'].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);

const bytes = { rule: 'repeated', type: 'bytes', id: 1 };
const text = (id: number): { type: string; id: number } => ({ type: 'string', id });
const MESSAGES = fromJSON(
  {
    nested: {
      Request: {
        oneofs: { ask: { oneof: ['fileByFilename', 'fileContainingSymbol', 'listServices'] } },
        fields: { host: text(1), fileByFilename: text(3), fileContainingSymbol: text(4), listServices: text(7) },
      },
      Response: {
        fields: {
          fileDescriptorResponse: { type: 'Files', id: 4 },
          listServicesResponse: { type: 'Services', id: 6 },
          errorResponse: { type: 'Failure', id: 7 },
        },
      },
      Files: { fields: { fileDescriptorProto: bytes } },
      Services: { fields: { service: { rule: 'repeated', type: 'Named', id: 1 } } },
      Named: { fields: { name: text(1) } },
      Failure: { fields: { errorCode: { type: 'int32', id: 1 }, errorMessage: text(2) } },
      /** The two fields of a FileDescriptorProto by which its imports are found. */
      FileHeader: { fields: { name: text(1), dependency: { rule: 'repeated', ...text(3) } } },
    },
  },
  { longs: String },
) as unknown as Readonly<
  Record<'Request' | 'Response' | 'Files' | 'FileHeader', MessageTypeDefinition<object, object>>
>;

/**
 * Begins one exchange; `metadata` are the labels of the call that is to be made, so that the instance asked is of the
 * same subset: a canary may have methods of its own. Throws a CommandError when the server has no reflection.
 */
export async function openReflection(client: Client, metadata: Metadata, timeoutMs: number): Promise<Reflection> {
  const deadline = Date.now() + timeoutMs;
  for (const path of VERSIONS) {
    const reflection = new Reflection(client, path, metadata, deadline);
    try {
      await reflection.begin();
      return reflection;
    } catch (error) {
      reflection.close();
      if (!isStatus(error)) throw error;
      if (error.code !== status.UNIMPLEMENTED) {
        throw new CommandError(1, `reflection: ${status[error.code]}: ${error.details}`, 'or give --proto FILE -I DIR');
      }
    }
  }
  const message = 'the server has no reflection (grpc.reflection.v1 and v1alpha: UNIMPLEMENTED)';
  throw new CommandError(1, message, 'give --proto FILE -I DIR');
}

/**
 * What a server says of its own services: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. One stream,
 * one question at a time.
 */
export class Reflection {
  /** Full names, without those of reflection itself; sorted. */
  services: readonly string[] = [];
  readonly #stream: ClientDuplexStream<object, object>;
  #settle: { resolve(response: Response): void; reject(error: unknown): void } | undefined;

  constructor(client: Client, path: string, metadata: Metadata, deadline: number) {
    const { Request: request, Response: response } = MESSAGES;
    this.#stream = client
      .makeBidiStreamRequest(path, request.serialize, response.deserialize, metadata, { deadline })
      .on('data', (message: Response) => this.#settle?.resolve(message))
      .on('error', (error: unknown) => this.#settle?.reject(error))
      .on('end', () => this.#settle?.reject(new CommandError(1, 'reflection: the server ended the exchange')));
  }

  async begin(): Promise<void> {
    const { listServicesResponse } = await this.#ask({ listServices: '*' });
    const names = (listServicesResponse?.service ?? []).map(({ name }) => name ?? '');
    this.services = names.filter((name) => name !== '' && !name.startsWith('grpc.reflection.')).sort();
  }

  /**
   * A serialized FileDescriptorSet with the file of a service and everything that it imports. Undefined: it has none.
   */
  async filesOf(service: string): Promise<Buffer | undefined> {
    const files = new Map<string, Buffer>();
    const wanted: string[] = [];
    const take = (response: Response): void => {
      for (const file of response.fileDescriptorResponse?.fileDescriptorProto ?? []) {
        const { name = '', dependency = [] } = MESSAGES.FileHeader.deserialize(file) as FileHeader;
        files.set(name, file);
        wanted.push(...dependency);
      }
    };
    const first = await this.#ask({ fileContainingSymbol: service });
    if (first.errorResponse !== undefined) return undefined;
    take(first);
    // Some servers send every import with the first answer, others only the file that was asked for.
    for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
      if (!files.has(name)) take(await this.#ask({ fileByFilename: name }));
    }
    // A FileDescriptorSet has the same form: `repeated FileDescriptorProto file = 1`.
    return MESSAGES.Files.serialize({ fileDescriptorProto: [...files.values()] });
  }

  close(): void {
    this.#settle = undefined;
    this.#stream.end();
    this.#stream.cancel();
  }

  #ask(request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#stream.write(request);
    });
  }
}

function isStatus(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
