import type { Span } from '@opentelemetry/api';
import type { Decision } from '../../../policy/plan';
import type { Labels } from '../../../policy/routing/call';
import { hashFor } from '../../../policy/routing/decide';
import { CALL_STATE, CallState } from '../call-state';
import {
  attachToMetadata,
  type Call,
  type CallCredentials,
  type InterceptingListener,
  type Metadata,
  type StatusObject,
} from '../grpc-js';
import type { MethodFacts } from '../known-methods';

/** Bytes of a request that wait to be sent. grpc-js keeps as much again, of what it has been given. */
const MOST_WAITING = 2 ** 20;
/** Answers beyond this are not compared. */
export const MOST_COMPARED: number = 2 ** 18;
const CANCELLED = 1;
const INTERNAL = 13;

/** Why a copy was not made, or not to its end. */
export type DropReason = 'busy' | 'size' | 'unfinished' | 'closed';

/** One message of a request. The bytes are those that the call sends, too. */
export interface SentMessage {
  readonly message: Buffer;
  readonly flags: number | undefined;
}

/** The call that is copied, as its copies need it. */
export interface OriginalCall {
  readonly method: string;
  readonly methodFacts: MethodFacts | undefined;
  readonly hash: number;
  /** Defined where subsets hash by labels of their own. */
  readonly hashes?: readonly number[] | undefined;
  readonly labels: Labels;
  readonly host: string | null | undefined;
  /** Those of this call alone; undefined: none. */
  readonly ownCredentials: CallCredentials | undefined;
  inCallersContext(credentials: CallCredentials): CallCredentials;
}

export interface CopyOwner {
  /** Called once, when the copy has ended, or was dropped before it was sent. */
  copyEnded(copy: CopyCall): void;
}

/**
 * A copy of a call: a call of its own, to the mirror's destination. Nobody gets its answer. It outlives the call, up to
 * its own deadline. What it is given waits in a bounded queue, so that a slow mirror holds up no upload.
 */
export class CopyCall extends CallState implements InterceptingListener {
  /** When it was sent, in milliseconds of the clock; undefined: not yet. */
  sentAtMs: number | undefined = undefined;
  span: Span | undefined = undefined;
  /** Undefined while it goes on, and where it was dropped. */
  status: StatusObject | undefined = undefined;
  droppedFor: DropReason | undefined = undefined;
  /** Kept only where it is compared. */
  answer: Buffer | undefined = undefined;
  isAnswerTooLarge = false;
  readonly #original: OriginalCall;
  readonly #owner: CopyOwner;
  readonly #keepsAnswer: boolean;
  readonly #waiting: SentMessage[] = [];
  #waitingBytes = 0;
  #answers = 0;
  #inner: Call | undefined;
  #isSending = false;
  #isHalfClosed = false;
  #isHalfCloseSent = false;
  #hasEnded = false;

  constructor(original: OriginalCall, decision: Decision, owner: CopyOwner, keepsAnswer: boolean) {
    super(original.method, undefined, original.methodFacts);
    this.decision = decision;
    const { hash, hashes, labels } = original;
    this.hash = hashes === undefined ? hash : hashFor(decision.plan, decision.destination.subset, labels);
    this.#original = original;
    this.#owner = owner;
    this.#keepsAnswer = keepsAnswer;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get host(): string | null | undefined {
    return this.#original.host;
  }

  /** The request is whole: nothing that becomes of the call concerns the copy any more. */
  get isWhole(): boolean {
    return this.#isHalfClosed;
  }

  /** The server itself has said how it ended. */
  get isAnswered(): boolean {
    return this.status !== undefined && this.lastEnding === 'answered';
  }

  override inCallersContext(credentials: CallCredentials): CallCredentials {
    return this.#original.inCallersContext(credentials);
  }

  /** `metadata`: the copy's own. `open`: makes the call on the channel for copies; may throw where that is closed. */
  begin(metadata: Metadata, open: () => Call): void {
    if (this.#hasEnded) return;
    attachToMetadata(metadata, CALL_STATE, this);
    const inner = open();
    this.#inner = inner;
    const { ownCredentials } = this.#original;
    if (ownCredentials !== undefined) inner.setCredentials(this.#original.inCallersContext(ownCredentials));
    inner.start(metadata, this);
    inner.startRead();
    this.#pump();
  }

  send(sent: SentMessage): void {
    if (this.#hasEnded) return;
    this.#waitingBytes += sent.message.length;
    this.#waiting.push(sent);
    if (this.#waitingBytes > MOST_WAITING) this.drop('size');
    else this.#pump();
  }

  halfClose(): void {
    this.#isHalfClosed = true;
    this.#pump();
  }

  /** One message at a time, as grpc-js wants it. */
  #pump(): void {
    const inner = this.#inner;
    if (inner === undefined || this.#isSending || this.#hasEnded) return;
    const next = this.#waiting.shift();
    if (next !== undefined) {
      const { message, flags } = next;
      this.#isSending = true;
      const callback = (): void => {
        this.#isSending = false;
        this.#waitingBytes -= message.length;
        this.#pump();
      };
      inner.sendMessageWithContext(flags === undefined ? { callback } : { callback, flags }, message);
    }
    if (this.#waiting.length > 0 || !this.#isHalfClosed || this.#isHalfCloseSent) return;
    this.#isHalfCloseSent = true;
    inner.halfClose();
  }

  /** Ends it, whatever it is doing. */
  drop(reason: DropReason): void {
    if (this.#hasEnded) return;
    this.droppedFor = reason;
    this.#end();
    this.#inner?.cancelWithStatus(CANCELLED, `Cancelled on client: the copy was dropped (${reason})`);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#waiting.length = 0;
    this.#owner.copyEnded(this);
  }

  // InterceptingListener

  onReceiveMetadata(): void {}

  onReceiveMessage(message: unknown): void {
    if (this.#hasEnded) return;
    this.#answers += 1;
    if (this.#answers > 1) {
      this.#inner?.cancelWithStatus(INTERNAL, 'the answers to a copy are a stream');
      return;
    }
    if (this.#keepsAnswer && Buffer.isBuffer(message)) {
      if (message.length <= MOST_COMPARED) this.answer = message;
      else this.isAnswerTooLarge = true;
    }
    this.#inner?.startRead();
  }

  onReceiveStatus(status: StatusObject): void {
    if (this.#hasEnded) return;
    this.status = status;
    this.#end();
  }
}
