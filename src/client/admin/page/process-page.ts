import type { Clock, Timer } from '../../../base/clock';
import { ofKey } from '../../../base/of-key';
import { SDK_VERSION } from '../../../base/sdk-version';
import { EventClients, type EventResponse } from '../../../base/web/event-clients';
import type { AgentLoad } from '../../../consul/request';
import { formatTarget } from '../../grpc/target';
import type { Service } from '../../state/service';
import type { RecentDecisions } from '../recent-decisions';
import { changeBetween, detailParts, type Parts, shortView } from './page-state';
import type { PageClient, PageDecisions, ServiceTraffic } from './page-view';
import { STEP_MS, Traffic } from './traffic';

const TICK_MS = 1_000;
/** The page takes at most this part of the process' time: a tick that took long is followed by a longer pause. */
const MOST_OF_TIME = 0.015;
const MOST_VIEWERS = 8;
/** Decisions of one tick that a viewer is sent; it is told how many there were. */
const MOST_DECISIONS = 20;
const NOTHING: Parts = new Map();

export interface ProcessPageOptions {
  readonly clock: Clock;
  readonly client: string;
  readonly decisions: RecentDecisions;
  services(): Iterable<Service>;
  consul(): readonly AgentLoad[];
  refusedLabels(): Readonly<Record<string, number>>;
}

/** The viewers that look at the same service, or at none. */
interface Topic {
  /** Its name or target; it may become known later. */
  readonly wanted: string | undefined;
  readonly viewers: Set<EventResponse>;
  /** What they know. */
  parts: Parts;
  /** The last decision that they were told of. */
  decision: number;
}

/**
 * What the pages of one process show. Attempts are counted from the beginning on, so that a page shows the minutes
 * before it was opened. The state is built only while somebody looks: once for all viewers of a service, and they are
 * sent what has changed.
 */
export class ProcessPage {
  readonly #options: ProcessPageOptions;
  readonly #viewers = new EventClients({ most: MOST_VIEWERS, onUse: (isUsed) => this.#use(isUsed) });
  readonly #topics = new Map<string, Topic>();
  readonly #traffic = new Map<Service, Traffic>();
  readonly #sinceMs: number;
  readonly #steps: Timer;
  #tick: Timer | undefined;
  #isClosed = false;

  constructor(options: ProcessPageOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.wallNow();
    this.#steps = options.clock.setRepeating(STEP_MS, () => this.#endStep());
    for (const service of options.services()) this.add(service);
  }

  /** Counts a service from now on. */
  add(service: Service): void {
    const traffic = new Traffic();
    this.#traffic.set(service, traffic);
    service.balancer.attemptListeners.add(traffic);
  }

  /** Attempts of the last minutes: of the services of this name, or of all. */
  traffic(wanted: string | undefined): readonly ServiceTraffic[] {
    return [...this.#traffic]
      .filter(([{ service }]) => wanted === undefined || service === wanted)
      .map(([{ service, target }, traffic]) => ({ service, target: formatTarget(target), ...traffic.history() }));
  }

  /** Streams to a viewer of a service, by its name or target, or of none. False: there are too many viewers. */
  stream(response: EventResponse, wanted: string | undefined): boolean {
    if (this.#isClosed || !this.#viewers.add(response)) return false;
    const topic = ofKey(this.#topics, wanted ?? '', () => ({
      wanted,
      viewers: new Set<EventResponse>(),
      parts: this.#build(this.#find(wanted)),
      decision: this.#options.decisions.total,
    }));
    topic.viewers.add(response);
    response.on('close', () => this.#leave(topic, response));
    this.#viewers.sendJson(response, 'state', changeBetween(NOTHING, topic.parts) ?? '{"set":{},"gone":[]}');
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#steps.cancel();
    this.#tick?.cancel();
    this.#viewers.close();
    for (const [service, traffic] of this.#traffic) service.balancer.attemptListeners.delete(traffic);
  }

  #find(wanted: string | undefined): Service | undefined {
    if (wanted === undefined) return undefined;
    for (const service of this.#options.services()) {
      if (service.service === wanted || formatTarget(service.target) === wanted) return service;
    }
    return undefined;
  }

  #leave(topic: Topic, response: EventResponse): void {
    topic.viewers.delete(response);
    if (topic.viewers.size === 0) this.#topics.delete(topic.wanted ?? '');
  }

  #use(isUsed: boolean): void {
    this.#tick?.cancel();
    if (isUsed && !this.#isClosed) this.#tickIn(TICK_MS);
  }

  #tickIn(delayMs: number): void {
    const { clock } = this.#options;
    this.#tick = clock.setTimer(delayMs, () => {
      const began = clock.now();
      for (const topic of this.#topics.values()) this.#update(topic);
      const tookMs = clock.now() - began;
      if (this.#viewers.size > 0) this.#tickIn(Math.max(TICK_MS, tookMs / MOST_OF_TIME));
    });
  }

  #update(topic: Topic): void {
    const service = this.#find(topic.wanted);
    const parts = this.#build(service);
    const change = changeBetween(topic.parts, parts);
    topic.parts = parts;
    const decisions = service === undefined ? undefined : this.#decisionsSince(topic, service);
    for (const viewer of topic.viewers) {
      if (change !== undefined) this.#viewers.sendJson(viewer, 'change', change);
      if (decisions !== undefined && decisions.total > 0) this.#viewers.send(viewer, 'decisions', decisions);
    }
  }

  #decisionsSince(topic: Topic, { service }: Service): PageDecisions {
    const { decisions } = this.#options;
    const found = decisions.since(topic.decision, service);
    topic.decision = decisions.total;
    return { total: found.length, list: found.slice(-MOST_DECISIONS) };
  }

  #build(service: Service | undefined): Parts {
    const parts = service === undefined ? new Map<string, string>() : detailParts(service, this.#traffic.get(service));
    parts.set('client', JSON.stringify(this.#client()));
    for (const each of this.#options.services()) {
      const view = shortView(each, this.#traffic.get(each));
      parts.set(`service/${view.target}`, JSON.stringify(view));
    }
    return parts;
  }

  #client(): PageClient {
    const { client, consul, refusedLabels } = this.#options;
    return {
      client,
      version: SDK_VERSION,
      pid: process.pid,
      sinceMs: this.#sinceMs,
      consul: consul().map(({ illForMs: _, ...rest }) => rest),
      refusedLabels: refusedLabels(),
    };
  }

  #endStep(): void {
    const nowMs = this.#options.clock.wallNow();
    for (const traffic of this.#traffic.values()) traffic.step(nowMs);
  }
}
