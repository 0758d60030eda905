/**
 * Stable codes of {@link GraylaneError}. They are part of the public contract: messages may be reworded, codes are not.
 */
export type GraylaneErrorCode =
  | 'INVALID_OPTION'
  | 'INVALID_TARGET'
  | 'INVALID_POLICY'
  | 'INVALID_INSTANCE'
  | 'INVALID_LABEL'
  | 'NO_CLIENT'
  | 'CLIENT_CLOSED'
  | 'CHANNEL_CLOSED'
  | 'NOT_READY'
  | 'DISCOVERY_FAILED'
  | 'POLICY_UNAVAILABLE'
  | 'CONNECT_ONLY'
  | 'GRPC_MISMATCH';

const BRAND: symbol = Symbol.for('graylane.error');

/**
 * The one error class of this library. `code` is stable, `message` reads `path: value (expected: ...)` where a value
 * was refused, `cause` holds what lay underneath. Never holds a token or any other secret.
 */
export class GraylaneError extends Error {
  /** `GraylaneError`, or that of the derived class. */
  override readonly name: string = 'GraylaneError';
  /** Stable: compare this, not the message. */
  readonly code: GraylaneErrorCode;

  constructor(code: GraylaneErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for errors of this library, also when they come from another copy of it. */
  static is(value: unknown): value is GraylaneError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}
