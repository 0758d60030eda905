import type { Clock } from '../../base/clock';
import { Emitter, type Subscription } from '../../base/emitter';
import type { AgentZone } from '../../consul/agent-self';

/** In which zone this client is, and where that was read. Plain JSON. */
export interface ClientZoneView {
  /** Undefined: not known, or not asked for while no policy prefers zones. */
  readonly zone: string | undefined;
  /** The option `zone`, the variable `GRAYLANE_ZONE`, or the node meta of the Consul agent. */
  readonly from: 'option' | 'environment' | 'agent' | undefined;
  /** Why it is not known. */
  readonly reason: string | undefined;
}

const ASK_AGAIN_MS = 10_000;
const NO_AGENT = 'neither the option zone nor GRAYLANE_ZONE is set, and there is no Consul agent to ask';
const NOT_ASKED =
  'neither the option zone nor GRAYLANE_ZONE is set; the Consul agent is asked once a policy prefers zones';

/** The zone that one client runs in: told by its options, or asked of its Consul agent when it is wanted first. */
export class ClientZone {
  #view: ClientZoneView;
  readonly #ask: (() => Promise<AgentZone>) | undefined;
  readonly #clock: Clock;
  readonly #found = new Emitter();
  #isSettled: boolean;
  #isMissed = false;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  /** `ask` must not reject; undefined: there is no agent to ask. */
  constructor(
    told: { readonly zone: string; readonly from: 'option' | 'environment' } | undefined,
    ask: (() => Promise<AgentZone>) | undefined,
    clock: Clock,
  ) {
    this.#ask = ask;
    this.#clock = clock;
    this.#isSettled = told !== undefined || ask === undefined;
    const reason = told === undefined ? (ask === undefined ? NO_AGENT : NOT_ASKED) : undefined;
    this.#view = { zone: told?.zone, from: told?.from, reason };
  }

  get view(): ClientZoneView {
    return this.#view;
  }

  get zone(): string | undefined {
    return this.#view.zone;
  }

  /** A policy prefers zones. Called with each of its snapshots: an agent that did not answer is asked again. */
  want(): void {
    if (this.#ask === undefined && this.zone === undefined && !this.#isMissed) {
      this.#isMissed = true;
      this.#found.emit();
    }
    if (this.#isSettled || this.#ask === undefined) return;
    const nowMs = this.#clock.now();
    if (nowMs - this.#askedAtMs < ASK_AGAIN_MS) return;
    this.#askedAtMs = nowMs;
    void this.#ask().then((answer) => this.#take(answer));
  }

  /** `listener` runs when the zone is found, or found to be not there. */
  subscribe(listener: () => void): Subscription {
    return this.#found.subscribe(listener);
  }

  #take(answer: AgentZone): void {
    if (this.#isSettled) return;
    this.#isSettled = answer.kind !== 'failure';
    this.#view =
      answer.kind === 'zone'
        ? { zone: answer.zone, from: 'agent', reason: undefined }
        : {
            zone: undefined,
            from: undefined,
            reason: `neither the option zone nor GRAYLANE_ZONE is set; ${answer.reason}`,
          };
    this.#found.emit();
  }
}
