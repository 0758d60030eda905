const same = (bytes: Buffer): Buffer => bytes;

interface RawMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: typeof same;
  readonly requestDeserialize: typeof same;
  readonly responseSerialize: typeof same;
  readonly responseDeserialize: typeof same;
}

/** The definition of a method whose messages are bytes as they are; unary, unless its answers are a stream. */
export function rawMethod(path: string, responseStream: boolean = false): RawMethod {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
