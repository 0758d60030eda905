import { isRecord } from '../../base/is-record';
import type { Logger } from '../../base/logger';
import { throwProblems } from '../../base/option-reader';
import { statusCodeOf, statusNameOf } from '../../base/status-names';
import type { StatusName } from '../../policy/document';
import { MAX_ATTEMPTS } from '../../policy/limits';
import type { HedgingPlan, RetryPlan } from '../../policy/plan';
import type { ChannelOptions } from './grpc-js';

/** What `grpc.service_config` of the channel says of a method. Undefined: nothing, so that defaults apply. */
export interface ChannelMethodConfig {
  readonly timeoutMs: number | undefined;
  /** The owner of the client wrote it, so the method may run again. Never beside `hedging`. */
  readonly retry: RetryPlan | undefined;
  readonly hedging: HedgingPlan | undefined;
  readonly waitForReady: boolean | undefined;
}

/** Whose channel it is: a `Service`. */
interface ConfigOwner {
  readonly service: string;
  readonly logger: Logger;
}

const OPTION = 'grpc.service_config';
/** As grpc-js reads it: up to nine digits behind the point. */
const DURATION = /^(\d+)(?:\.(\d{1,9}))?s$/;
const DURATION_EXPECTED = 'seconds such as "0.5s"';
const MOST_REMEMBERED = 1_000;

/** Parsed once for each text and service, however many channels carry it. */
const read = new WeakMap<ConfigOwner, Map<string, ChannelServiceConfig>>();

/**
 * What a channel's options say in `grpc.service_config`; undefined: nothing. Warns, once for each text, of what
 * graylane has another place for. Throws INVALID_OPTION with every problem found.
 */
export function readChannelServiceConfig(
  owner: ConfigOwner,
  options: ChannelOptions,
): ChannelServiceConfig | undefined {
  const text: unknown = options[OPTION];
  // grpc-js, too, takes an empty text for none.
  if (text === undefined || text === null || text === '') return undefined;
  let known = read.get(owner);
  if (known === undefined || known.size > MOST_REMEMBERED) {
    known = new Map();
    read.set(owner, known);
  }
  const former = typeof text === 'string' ? known.get(text) : undefined;
  if (former !== undefined) return former;
  const config = parseChannelServiceConfig(text);
  known.set(text as string, config);
  for (const ignored of config.ignored) {
    owner.logger.warn(`${OPTION} of a channel: ${ignored}`, { service: owner.service });
  }
  return config;
}

/** Throws INVALID_OPTION with every problem found. */
export function parseChannelServiceConfig(text: unknown): ChannelServiceConfig {
  const reader = new Reader();
  const parsed = reader.json(text);
  const methods: ReadMethodConfig[] = [];
  const ignored: string[] = [];
  if (parsed !== undefined) {
    const { methodConfig, loadBalancingConfig, loadBalancingPolicy, retryThrottling } = parsed;
    const list = methodConfig === undefined ? [] : reader.list(`${OPTION}.methodConfig`, methodConfig);
    for (const [index, entry] of list.entries()) {
      const path = `${OPTION}.methodConfig[${index}]`;
      if (isRecord(entry)) methods.push(reader.methodConfig(path, entry));
      else reader.refuse(path, entry, 'an object');
    }
    reader.checkNames(methods);
    const hasBalancing = Array.isArray(loadBalancingConfig) ? loadBalancingConfig.length > 0 : loadBalancingConfig;
    if (hasBalancing || loadBalancingPolicy !== undefined) {
      const key = hasBalancing ? 'loadBalancingConfig' : 'loadBalancingPolicy';
      ignored.push(`${key} is ignored: graylane balances itself. Say it in the policy, as "balancing.algorithm"`);
    }
    if (retryThrottling !== undefined) {
      ignored.push('retryThrottling is ignored: retries have a budget. Say it in the policy, as "retryBudget"');
    }
  }
  throwProblems(reader.problems);
  return new ChannelServiceConfig(methods, ignored);
}

/** By grpc-js' rules: the first entry that names the method, else its service, else everything. */
export class ChannelServiceConfig {
  /** What is not taken over, and where it belongs. */
  readonly ignored: readonly string[];
  readonly #methods = new Map<string, ChannelMethodConfig>();
  /** By path, as calls ask for it. */
  readonly #found = new Map<string, ChannelMethodConfig | undefined>();

  constructor(methods: readonly ReadMethodConfig[], ignored: readonly string[]) {
    this.ignored = ignored;
    for (const { names, config } of methods) for (const name of names) this.#methods.set(name, config);
  }

  /** `method` as in a call: `/package.Service/Method`. */
  methodConfigFor(method: string): ChannelMethodConfig | undefined {
    const known = this.#found.get(method);
    if (known !== undefined || this.#found.has(method)) return known;
    const [service = '', name = ''] = method.split('/').filter((part) => part.length > 0);
    const found = this.#methods.get(`${service}/${name}`) ?? this.#methods.get(`${service}/`) ?? this.#methods.get('/');
    if (this.#found.size < MOST_REMEMBERED) this.#found.set(method, found);
    return found;
  }
}

interface ReadMethodConfig {
  /** `package.Service/Method`; with nothing behind, or on neither side of the stroke, for all of them. */
  readonly names: readonly string[];
  readonly path: string;
  readonly config: ChannelMethodConfig;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads what JSON gave and collects what is wrong with it. */
class Reader {
  readonly problems: string[] = [];

  refuse(path: string, value: unknown, expected: string): undefined {
    const shown = value === undefined ? 'missing' : (JSON.stringify(value) ?? typeof value);
    this.problems.push(`${path}: ${shown.length > 80 ? `${shown.slice(0, 80)}...` : shown} (expected: ${expected})`);
    return undefined;
  }

  json(text: unknown): Fields | undefined {
    const expected = 'the JSON text of a service config object';
    if (typeof text !== 'string') {
      this.problems.push(`${OPTION}: ${isRecord(text) ? 'an object' : typeof text} (expected: ${expected})`);
      return undefined;
    }
    try {
      const parsed: unknown = JSON.parse(text);
      return isRecord(parsed) ? parsed : this.refuse(OPTION, parsed, expected);
    } catch (error) {
      return this.refuse(OPTION, text, `${expected}; ${(error as Error).message}`);
    }
  }

  list(path: string, value: unknown): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.refuse(path, value, 'a list');
    return [];
  }

  methodConfig(path: string, entry: Fields): ReadMethodConfig {
    const names = this.list(`${path}.name`, entry['name']).flatMap((name, index) =>
      this.#name(`${path}.name[${index}]`, name),
    );
    const { waitForReady, timeout, retryPolicy, hedgingPolicy } = entry;
    if (waitForReady !== undefined && typeof waitForReady !== 'boolean') {
      this.refuse(`${path}.waitForReady`, waitForReady, 'true or false');
    }
    if (retryPolicy !== undefined && hedgingPolicy !== undefined) {
      this.problems.push(`${path}: retryPolicy and hedgingPolicy (expected: at most one of them)`);
    }
    const retry = retryPolicy === undefined ? undefined : this.#retry(`${path}.retryPolicy`, retryPolicy);
    const hedging = hedgingPolicy === undefined ? undefined : this.#hedging(`${path}.hedgingPolicy`, hedgingPolicy);
    const timeoutMs = timeout === undefined ? undefined : this.#timeout(`${path}.timeout`, timeout);
    return { names, path, config: { timeoutMs, retry, hedging, waitForReady: waitForReady as boolean | undefined } };
  }

  checkNames(methods: readonly ReadMethodConfig[]): void {
    const seen = new Map<string, string>();
    for (const { path, name } of methods.flatMap(({ names, path }) => names.map((name) => ({ path, name })))) {
      const former = seen.get(name);
      if (former !== undefined) this.refuse(`${path}.name`, name, `each name once; it is in ${former}, too`);
      seen.set(name, path);
    }
  }

  #name(path: string, value: unknown): string[] {
    const { service = '', method = '' } = isRecord(value) ? value : {};
    if (!isRecord(value)) this.refuse(path, value, 'an object with "service" and "method"');
    else if (typeof service !== 'string') this.refuse(`${path}.service`, service, 'a text');
    else if (typeof method !== 'string') this.refuse(`${path}.method`, method, 'a text');
    else if (service === '' && method !== '') this.refuse(`${path}.service`, undefined, 'a service for the method');
    else return [`${service}/${method}`];
    return [];
  }

  /** https://github.com/grpc/proposal/blob/master/A6-client-retries.md */
  #retry(path: string, value: unknown): RetryPlan | undefined {
    if (!isRecord(value)) return this.refuse(path, value, 'an object');
    const { backoffMultiplier, retryableStatusCodes } = value;
    if (typeof backoffMultiplier !== 'number' || !(backoffMultiplier > 0)) {
      this.refuse(`${path}.backoffMultiplier`, backoffMultiplier, 'a number > 0');
    }
    const codesPath = `${path}.retryableStatusCodes`;
    if (Array.isArray(retryableStatusCodes) && retryableStatusCodes.length === 0) {
      this.refuse(codesPath, retryableStatusCodes, 'at least one status');
    }
    return {
      maxAttempts: this.#attempts(`${path}.maxAttempts`, value['maxAttempts']),
      retryableStatusCodes: this.#statuses(codesPath, retryableStatusCodes),
      initialBackoffMs: this.#duration(`${path}.initialBackoff`, value['initialBackoff']) ?? 0,
      maxBackoffMs: this.#duration(`${path}.maxBackoff`, value['maxBackoff']) ?? 0,
      backoffMultiplier: backoffMultiplier as number,
    };
  }

  #hedging(path: string, value: unknown): HedgingPlan | undefined {
    if (!isRecord(value)) return this.refuse(path, value, 'an object');
    const { hedgingDelay, nonFatalStatusCodes = [] } = value;
    return {
      maxAttempts: this.#attempts(`${path}.maxAttempts`, value['maxAttempts']),
      delayMs: hedgingDelay === undefined ? 0 : (this.#duration(`${path}.hedgingDelay`, hedgingDelay) ?? 0),
      nonFatalStatusCodes: this.#statuses(`${path}.nonFatalStatusCodes`, nonFatalStatusCodes),
    };
  }

  #attempts(path: string, value: unknown): number {
    if (!Number.isInteger(value) || (value as number) < 2) this.refuse(path, value, 'a whole number >= 2');
    return Math.min(value as number, MAX_ATTEMPTS);
  }

  #statuses(path: string, value: unknown): readonly StatusName[] {
    return this.list(path, value).flatMap((code, index) => {
      const name = typeof code === 'string' ? code.toUpperCase() : code;
      // grpc-js allows for it; a call that succeeded is never tried again.
      if (name === 'OK' || name === 0) return [];
      if (typeof name === 'string' && statusCodeOf(name) !== undefined) return [name as StatusName];
      const known = typeof name === 'number' ? statusNameOf(name) : undefined;
      if (known !== undefined) return [known];
      this.refuse(`${path}[${index}]`, code, 'a gRPC status by name or number, such as "UNAVAILABLE"');
      return [];
    });
  }

  #timeout(path: string, value: unknown): number | undefined {
    if (!isRecord(value)) return this.#duration(path, value);
    const { seconds, nanos } = value;
    if (typeof seconds !== 'number') return this.refuse(`${path}.seconds`, seconds, 'a number');
    if (typeof nanos !== 'number') return this.refuse(`${path}.nanos`, nanos, 'a number');
    return seconds * 1_000 + nanos / 1_000_000;
  }

  /** In milliseconds. */
  #duration(path: string, value: unknown): number | undefined {
    const match = typeof value === 'string' ? DURATION.exec(value) : null;
    if (match === null) return this.refuse(path, value, DURATION_EXPECTED);
    return Number(match[1]) * 1_000 + Number((match[2] ?? '').padEnd(9, '0')) / 1_000_000;
  }
}
