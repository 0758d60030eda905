import { differingFields, WHOLE } from './compare/differing-fields';
import { fieldNamesOf } from './compare/map-fields';
import { type CopyCall, MOST_COMPARED, type OriginalCall, type SentMessage } from './copy-call';
import type { RouteMirror } from './route-mirror';

const OK = 0;
const STATUS_FIELD: ReadonlySet<string> = new Set(['(status)']);
const MESSAGE_FIELD: ReadonlySet<string> = new Set([WHOLE]);
const NONE: ReadonlySet<string> = new Set();

/** How a call, or a copy of one, was answered by a server. */
interface Answer {
  readonly code: number;
  /** Undefined unless the code is OK. */
  readonly message: Buffer | undefined;
}

/**
 * A call of which copies are made: hands them what it sends, and compares their answers with its own. The call itself
 * is never touched.
 */
export class MirroredCall {
  /** The copy, and where one is made the second copy, to the call's own destination. */
  readonly copies: readonly CopyCall[];
  readonly route: RouteMirror;
  readonly #original: OriginalCall;
  readonly #isNoiseMeasured: boolean;
  readonly #onEnded: (call: MirroredCall) => void;
  #message: Buffer | undefined;
  #answer: Answer | 'none' | undefined;

  constructor(
    original: OriginalCall,
    route: RouteMirror,
    copies: readonly CopyCall[],
    isNoiseMeasured: boolean,
    onEnded: (call: MirroredCall) => void,
  ) {
    this.#original = original;
    this.route = route;
    this.copies = copies;
    this.#isNoiseMeasured = isNoiseMeasured;
    this.#onEnded = onEnded;
  }

  send(sent: SentMessage): void {
    for (const copy of this.copies) copy.send(sent);
  }

  halfClose(): void {
    for (const copy of this.copies) copy.halfClose();
  }

  /** The call was answered; the status follows. */
  received(message: unknown): void {
    if (this.route.comparison !== undefined && Buffer.isBuffer(message)) this.#message = message;
  }

  /** `isAnswered`: by the server. */
  ended(code: number, isAnswered: boolean): void {
    for (const copy of this.copies) if (!copy.isWhole) copy.drop('unfinished');
    this.#onEnded(this);
    const isWhole = code !== OK || this.#message !== undefined;
    this.#answer = (isAnswered || code === OK) && isWhole ? { code, message: this.#message } : 'none';
    this.#message = undefined;
    this.settle();
  }

  /** Called when the call or one of the copies has ended. Compares when all have. */
  settle(): void {
    const { comparison } = this.route;
    const [copy, again] = this.copies;
    if (comparison === undefined || copy === undefined || this.#answer === undefined) return;
    if (!this.copies.every(({ hasEnded }) => hasEnded) || copy.droppedFor !== undefined) return;
    const own = this.#answer;
    // Not in the turn in which the caller gets its answer.
    setImmediate(() => this.#compare(own, answerOf(copy), again === undefined ? 'none' : answerOf(again)));
  }

  #compare(own: Answer | 'none', copied: Answer | 'none', repeated: Answer | 'none'): void {
    const { route } = this;
    const { method } = this.#original;
    if (own === 'none' || copied === 'none' || (own.message?.length ?? 0) > MOST_COMPARED) {
      route.uncompared += 1;
      return;
    }
    const copy = this.#differing(own, copied);
    const again = repeated === 'none' ? undefined : this.#differing(own, repeated);
    const answers = { method, copy, again, isNoiseMeasured: this.#isNoiseMeasured };
    const result = route.comparison?.take(answers, (field) => route.flagged(field));
    if (result !== undefined) route.compared(method, result, copy);
  }

  #differing(own: Answer, other: Answer): ReadonlySet<string> {
    if (own.code !== other.code) return STATUS_FIELD;
    const { message: one } = own;
    const { message: two } = other;
    if (one === undefined || two === undefined || one.equals(two)) return NONE;
    const { deserialize, responseType } = this.#original.methodFacts ?? {};
    if (deserialize === undefined) return MESSAGE_FIELD;
    try {
      return differingFields(deserialize(one), deserialize(two), this.route.ignored, fieldNamesOf(responseType));
    } catch {
      return MESSAGE_FIELD;
    }
  }
}

function answerOf({ status, isAnswered, answer }: CopyCall): Answer | 'none' {
  if (status === undefined) return 'none';
  if (status.code === OK) return answer === undefined ? 'none' : { code: OK, message: answer };
  return isAnswered ? { code: status.code, message: undefined } : 'none';
}
