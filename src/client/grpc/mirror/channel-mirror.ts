import type { SpanContext } from '@opentelemetry/api';
import type { Timer } from '../../../base/clock';
import type { Decision, MirrorPlan } from '../../../policy/plan';
import { MIRROR_KEY } from '../../propagation/incoming-labels';
import { type Channel, type Metadata, PREVIOUS_ATTEMPTS_KEY } from '../grpc-js';
import { CopyCall, type CopyOwner, type OriginalCall } from './copy-call';
import { beginCopySpan, endCopySpan } from './copy-trace';
import { MirroredCall } from './mirrored-call';
import { type MirroredService, mirrorsOf } from './mirrors';
import type { RouteMirror } from './route-mirror';

const ALL = 10_000;

/** A call that may have to be copied. */
export interface MirrorableCall extends OriginalCall {
  readonly decision: Decision | undefined;
  /** When it ends at the latest, as grpc-js counts deadlines; may be infinite. */
  readonly deadlineMs: number;
  /** Upper bound of its time by the channel's own service config; undefined: none. */
  readonly channelTimeoutMs: number | undefined;
  /** It may run again at its own destination. */
  readonly mayRunAgain: boolean;
  /** It is made for a call that is a copy itself. */
  readonly isOfCopy: boolean;
  /** Undefined: no span of it is recorded. */
  readonly spanContext: SpanContext | undefined;
}

/**
 * How long a copy waits for the end of its call, in milliseconds. Its work then delays no answer. A call that takes
 * longer does not feel that work.
 */
const LONGEST_WAIT_MS = 10;

/** A copy that is to be sent. */
interface Beginning {
  readonly copy: CopyCall;
  readonly call: MirrorableCall;
  readonly route: RouteMirror;
  readonly metadata: Metadata;
  /** Counted from when the copy is sent. May be infinite. */
  readonly timeMs: number;
}

/**
 * Makes the copies of the calls of one channel, on a channel of their own beside it: with the same subchannels, and
 * apart from the calls in all that grpc-js counts for each channel, such as what may be kept for retries. A copy of a
 * unary call is sent when its call has ended, so that no caller waits for its work, or {@link LONGEST_WAIT_MS} later.
 * That of an upload is sent in the turn after its call began, since what waits of an upload is bounded.
 */
export class ChannelMirror implements CopyOwner {
  readonly #service: MirroredService;
  readonly #open: () => Channel;
  readonly #inFlight = new Map<CopyCall, MirroredCall>();
  /** For the next turn. */
  #beginning: Beginning[] = [];
  /** For the end of their calls. */
  readonly #waiting = new Map<CopyCall, Beginning>();
  /** Runs while copies wait, and to its end: most calls are quicker. */
  #timer: Timer | undefined;
  #channel: Channel | undefined;
  #isClosed = false;

  /** `open`: opens the channel for copies, once. */
  constructor(service: MirroredService, open: () => Channel) {
    this.#service = service;
    this.#open = open;
  }

  /** The call was decided, and has a mirror. `sent`: its metadata. Undefined: no copy is made of it. */
  begin(call: MirrorableCall, sent: Metadata): MirroredCall | undefined {
    const mirrors = mirrorsOf(this.#service);
    const decision = call.decision as Decision;
    const plan = decision.mirror as MirrorPlan;
    const { kind } = call.methodFacts ?? {};
    if (call.isOfCopy || sent.get(MIRROR_KEY).length > 0) return undefined;
    if (kind !== 'unary' && kind !== 'clientStream') {
      mirrors.tellNotMirrored(decision.route, kind === undefined ? OF_UNKNOWN_KIND : OF_STREAMS, call.method);
      return undefined;
    }
    const { random } = this.#service;
    if (plan.share < ALL && random() * ALL >= plan.share) return undefined;
    const route = mirrors.route(decision);
    if (this.#isClosed || mirrors.inFlight >= plan.maxInFlight) {
      route.dropped(this.#isClosed ? 'closed' : 'busy');
      return undefined;
    }
    const { comparison } = route;
    const isNoiseMeasured = comparison !== undefined && call.mayRunAgain;
    // Half of the places are for copies to the mirror alone.
    const hasRoom = 2 * (mirrors.inFlight + 2) <= plan.maxInFlight;
    const isAgain = isNoiseMeasured && hasRoom && comparison.wantsAgain(random());
    const destinations = isAgain ? [plan.copy, plan.again] : [plan.copy];
    const copies = destinations.map((to) => new CopyCall(call, heldTo(to, decision), this, comparison !== undefined));
    const mirrored = new MirroredCall(call, route, copies, isNoiseMeasured, this.#onCallEnded);
    const timeMs = timeOf(call, plan, decision);
    for (const copy of copies) {
      mirrors.inFlight += 1;
      this.#inFlight.set(copy, mirrored);
      const beginning = { copy, call, route, metadata: sent.clone(), timeMs };
      if (kind === 'unary') this.#await(beginning);
      else this.#beginNextTurn(beginning);
    }
    return mirrored;
  }

  #await(beginning: Beginning): void {
    this.#waiting.set(beginning.copy, beginning);
    this.#timer ??= this.#service.clock.setTimer(LONGEST_WAIT_MS, () => {
      this.#timer = undefined;
      this.#beginAwaiting([...this.#waiting.keys()]);
    });
  }

  /** Those of its copies that wait for its end are sent, once its caller has had its turn. */
  readonly #onCallEnded = ({ copies }: MirroredCall): void => this.#beginAwaiting(copies);

  #beginAwaiting(copies: readonly CopyCall[]): void {
    for (const copy of copies) {
      const beginning = this.#waiting.get(copy);
      if (beginning === undefined) continue;
      this.#waiting.delete(copy);
      this.#beginNextTurn(beginning);
    }
  }

  #trace(copy: CopyCall, call: MirrorableCall, route: RouteMirror, metadata: Metadata): void {
    const tracer = this.#service.telemetry?.tracer;
    if (tracer === undefined) return;
    const subset = (copy.decision as Decision).destination.subset;
    const { method, spanContext } = call;
    const { service } = this.#service;
    copy.span = beginCopySpan(tracer, { service, method, route: route.route, subset, call: spanContext }, metadata);
  }

  #beginNextTurn(beginning: Beginning): void {
    this.#beginning.push(beginning);
    if (this.#beginning.length > 1) return;
    setImmediate(() => {
      const due = this.#beginning;
      this.#beginning = [];
      for (const each of due) this.#begin(each);
    });
  }

  #begin({ copy, call, route, metadata, timeMs }: Beginning): void {
    if (copy.hasEnded) return;
    metadata.setOptions({});
    metadata.remove(PREVIOUS_ATTEMPTS_KEY);
    metadata.set(MIRROR_KEY, route.header);
    this.#trace(copy, call, route, metadata);
    copy.sentAtMs = this.#service.clock.now();
    const deadlineMs = Date.now() + timeMs;
    try {
      this.#channel ??= this.#open();
      const channel = this.#channel;
      copy.begin(metadata, () => channel.createCall(copy.method, deadlineMs, copy.host, null, undefined));
    } catch {
      copy.drop('closed');
    }
  }

  copyEnded(copy: CopyCall): void {
    const mirrored = this.#inFlight.get(copy);
    if (mirrored === undefined) return;
    this.#inFlight.delete(copy);
    this.#waiting.delete(copy);
    mirrorsOf(this.#service).inFlight -= 1;
    if (copy.span !== undefined) endCopySpan(copy.span, copy.status?.code ?? CANCELLED);
    mirrored.route.ended(copy, copy !== mirrored.copies[0]);
    mirrored.settle();
  }

  /** The channel of the calls was closed: copies end, and no more are made. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const copy of [...this.#inFlight.keys()]) copy.drop('closed');
    this.#channel?.close();
  }
}

const CANCELLED = 1;
const OF_STREAMS = 'the answers of the method are a stream';
const OF_UNKNOWN_KIND =
  'no definition of the method is known, so its answers may be a stream; pass one to graylane.describeMethods()';

/** Where an override holds the call to a datacenter, it holds the copy too. */
function heldTo(to: Decision, { datacenters }: Decision): Decision {
  return datacenters === to.datacenters ? to : { ...to, datacenters };
}

/** No copy has longer than its call has, in milliseconds; but the call's end does not end it. */
function timeOf(call: MirrorableCall, plan: MirrorPlan, { timeoutMs }: Decision): number {
  const limitMs = Math.min(plan.timeoutMs, timeoutMs ?? call.channelTimeoutMs ?? plan.timeoutMs);
  return Math.min(call.deadlineMs - Date.now(), limitMs);
}
