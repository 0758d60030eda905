const id = (bytes: Buffer): Buffer => bytes;

/** One unary method. */
export const BURN = {
  burn: {
    path: '/overload.Work/Burn',
    requestStream: false,
    responseStream: false,
    requestSerialize: id,
    requestDeserialize: id,
    responseSerialize: id,
    responseDeserialize: id,
  },
} as const;
