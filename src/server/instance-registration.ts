import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../base/clock';
import { Emitter } from '../base/emitter';
import { GraylaneError } from '../base/errors';
import { consoleLogger, type Logger, safeLogger } from '../base/logger';
import { backoffMs } from '../base/pacing';
import { systemRandom } from '../base/random';
import { type ConsulClient, createConsulClient } from '../consul/client';
import { AgentRegistry } from './agent-registry';
import { drain } from './drain';
import { InstanceMembers } from './instance-members';
import { type InstanceOptions, isInContainer, type ParsedInstance, parseInstanceOptions } from './instance-options';

/**
 * Registers a server that has been bound with the Consul agent of its machine, and keeps it registered: while the agent
 * is away it is tried again, and after the agent lost it, too. Throws INVALID_OPTION with every problem found.
 */
export function registerInstance(options: InstanceOptions): Registration {
  const instance = parseInstanceOptions(options);
  const client = createConsulClient(instance.consul, { clock: systemClock });
  const logger = safeLogger(options.logger ?? consoleLogger);
  if (instance.address === undefined && isInContainer(process.env)) {
    const text =
      'the instance is registered at the address of its Consul node, which in a container is mostly not its own';
    logger.warn(text, { instance: instance.id, expected: 'instance.address, or GRAYLANE_ADDRESS, POD_IP' });
  }
  return new InstanceRegistration(instance, client, logger);
}

const LEAVE_ATTEMPTS = 3;
const LEAVE_PAUSE_MS = 200;

/** Keeps one instance registered: a loop that registers, and then looks whether that still holds. */
class InstanceRegistration implements Registration {
  readonly id: string;
  readonly #instance: ParsedInstance;
  readonly #client: ConsulClient;
  readonly #logger: Logger;
  readonly #registry: AgentRegistry;
  /** Undefined: other processes are not looked for. */
  readonly #members: InstanceMembers | undefined;
  readonly #loop: Promise<void>;
  readonly #changed = new Emitter();
  #state: RegistrationState = 'registering';
  #reason = 'not answered yet';
  #failures = 0;
  readonly #end = new AbortController();
  #stopping: Promise<StopReport> | undefined;

  /** Closes the client once the instance has left. */
  constructor(instance: ParsedInstance, client: ConsulClient, logger: Logger) {
    const { id, stateDirectory, consul } = instance;
    this.id = id;
    this.#instance = instance;
    this.#client = client;
    this.#logger = logger;
    this.#registry = new AgentRegistry(client, instance);
    const agent = consul.addresses[0]?.text ?? '';
    this.#members = stateDirectory === false ? undefined : new InstanceMembers(stateDirectory, id, agent);
    for (const service of this.#healthServices) instance.drain.health?.setStatus(service, 'SERVING');
    this.#loop = this.#keep();
  }

  get state(): RegistrationState {
    return this.#state;
  }

  registered(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? 10_000;
    return new Promise((resolve, reject) => {
      const settle = (reason = 'stopped'): void => {
        clearTimeout(timer);
        unsubscribe();
        if (this.#state === 'registered') resolve();
        else reject(this.#notReady(reason));
      };
      const timer = setTimeout(() => settle(this.#reason), timeoutMs).unref();
      const unsubscribe = this.#changed.subscribe(() => settle());
      if (this.#state !== 'registering') settle();
    });
  }

  stop(): Promise<StopReport> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #keep(): Promise<void> {
    await this.#members?.join();
    while (this.#stopping === undefined) {
      const reply = this.#state === 'registered' ? await this.#confirm() : await this.#register();
      if (this.#stopping !== undefined) return;
      const { signal } = this.#end;
      if (reply) await pause(this.#untilNextMs(), undefined, { ref: false, signal }).catch(() => {});
    }
  }

  /** False: to be registered again, at once. */
  async #confirm(): Promise<boolean> {
    const reply = await this.#registry.confirm();
    if (reply.kind === 'unknown') {
      this.#logger.warn('the Consul agent has lost the instance; registering it again', { instance: this.id });
      if (this.#stopping === undefined) this.#state = 'registering';
      return false;
    }
    this.#note(reply.kind === 'failed' ? reply.reason : undefined);
    return true;
  }

  async #register(): Promise<boolean> {
    const reply = await this.#registry.register();
    this.#note(reply.kind === 'failed' ? reply.reason : reply.kind === 'unknown' ? 'lost at once' : undefined);
    if (reply.kind !== 'done' || this.#stopping !== undefined) return true;
    if (reply.warning !== undefined) this.#logger.warn(reply.warning, { instance: this.id });
    this.#become('registered');
    this.#logger.info('instance registered', { instance: this.id, service: this.#instance.name });
    return true;
  }

  /** Each outage is told once for each reason. */
  #note(reason: string | undefined): void {
    if (reason === undefined) {
      this.#failures = 0;
      this.#reason = '';
      return;
    }
    this.#failures += 1;
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#logger.warn('the instance cannot be kept in Consul; trying again', { instance: this.id, reason });
  }

  #untilNextMs(): number {
    const { check, verifyEveryMs } = this.#instance;
    const everyMs = check.type === 'ttl' ? check.ttlMs / 3 : verifyEveryMs;
    if (this.#failures > 0) return Math.min(everyMs, backoffMs(this.#failures, systemRandom));
    // Instances that were started together do not ask together.
    return everyMs * (0.9 + 0.1 * systemRandom());
  }

  async #stop(): Promise<StopReport> {
    // Waiting callers must learn of it, and the loop must see that it is over, before anything is awaited.
    await Promise.resolve();
    this.#become('stopping');
    this.#end.abort();
    // A registration under way would come after the deregistration.
    await this.#loop;
    const others = (await this.#members?.leave()) ?? 0;
    if (others > 0) {
      this.#logger.info('the instance stays in Consul: other processes go on as it', { instance: this.id, others });
    }
    const deregistered = others === 0 && (await this.#leave());
    const { drained } = await drain(this.#instance.drain, this.#healthServices);
    this.#client.close();
    this.#become('stopped');
    return { deregistered, drained, ...(others === 0 ? {} : { others }) };
  }

  async #leave(): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      const reply = await this.#registry.deregister();
      if (reply.kind !== 'failed') return true;
      if (attempt === LEAVE_ATTEMPTS) {
        const { reason } = reply;
        this.#logger.warn('the instance could not be taken out of Consul', { instance: this.id, reason });
        return false;
      }
      await pause(LEAVE_PAUSE_MS, undefined, { ref: false });
    }
  }

  get #healthServices(): readonly string[] {
    const { check } = this.#instance;
    return check.type === 'grpc' && check.service !== '' ? ['', check.service] : [''];
  }

  /** Ends `registering`, for those that wait. */
  #become(state: Exclude<RegistrationState, 'registering'>): void {
    this.#state = state;
    this.#changed.emit();
  }

  #notReady(reason: string): GraylaneError {
    return new GraylaneError('NOT_READY', `${this.id}: ${reason} (expected: registered at the Consul agent)`);
  }
}

/** An instance that is kept in Consul from `registerInstance()` until `stop()`. */
export interface Registration {
  /** Consul service ID. */
  readonly id: string;
  /** What it is doing. */
  readonly state: RegistrationState;
  /**
   * Resolves when the agent has taken the instance. Rejects with NOT_READY and the reason after `timeoutMs` (default
   * 10,000), while it is still being tried, or when it was stopped.
   */
  registered(options?: { readonly timeoutMs?: number }): Promise<void>;
  /**
   * Out of Consul (unless other processes of this host go on as the same instance), then `settleMs` as before so that
   * clients see it, then NOT_SERVING, then no new calls and up to `graceMs` for those in flight. Never rejects;
   * idempotent.
   */
  stop(): Promise<StopReport>;
}

/** What a registration is doing. */
export type RegistrationState = 'registering' | 'registered' | 'stopping' | 'stopped';

/** How stopping ended. */
export interface StopReport {
  /**
   * False: other processes go on as this instance (`others`), or the agent did not take it, and Consul holds the
   * instance until its check is critical for long.
   */
  readonly deregistered: boolean;
  /**
   * Processes of this host that go on as this instance: workers that share its port, or its successor. Left out for 0.
   */
  readonly others?: number;
  /** False: calls were cut off when the grace was over. */
  readonly drained: boolean;
}
