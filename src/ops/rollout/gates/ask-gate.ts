import { isRecord } from '../../../base/is-record';
import { sleep } from '../../../base/sleep';
import { isSuccess, messageOf, postToWebhook, type Reach, runProgram } from '../analysis/requests';
import { type CommandConfig, gateNames, type WebhookConfig } from '../config/controller-config';
import type { GateMoment, RolloutProgress } from '../progress';
import type { GateAnswer } from './passage';

/** What a gate gets, as JSON. */
export interface GateQuestion {
  /** The same each time that this gate is asked for this step, also by another controller. */
  readonly id: string;
  readonly gate: string;
  readonly when: GateMoment | 'at-rollback';
  readonly service: string;
  readonly rollout: string;
  /** From 1; one more than there are steps: the end. */
  readonly step: number;
  readonly canary: string;
  readonly stable: string;
  /** Of the canary now, percent. */
  readonly weight: number;
  /** Of `at-rollback`: why. */
  readonly message?: string;
}

export function questionOf(progress: RolloutProgress, gate: string, when: GateQuestion['when']): GateQuestion {
  const { id: rollout, step: at, weight, document } = progress;
  const { service, canary, stable, steps } = document;
  const step = at + 1;
  const place = when === 'at-rollback' ? 'rollback' : at < steps.length ? String(step) : 'end';
  return { id: `${rollout}/${place}/${gate}`, gate, when, service, rollout, step, canary, stable, weight };
}

/**
 * Asks the gates of a controller's configuration. A gate may take its time, such as a load test, so a question that is
 * not answered yet goes on while the controller looks after its rollouts.
 */
export interface GateKeeper {
  /** The answer; undefined while the gate is still at it: ask the same question again. Never rejects. */
  ask(question: GateQuestion): Promise<GateAnswer | undefined>;
}

/** What is waited for an answer before the controller goes on to other work. */
const PATIENCE_MS = 500;

/** `signal` ends programs and requests that are under way. */
export function createGateKeeper(reach: Reach, signal?: AbortSignal): GateKeeper {
  const asked = new Map<string, Promise<GateAnswer>>();
  return {
    async ask(question) {
      const { id } = question;
      const answering = asked.get(id) ?? askGate(question, reach, signal);
      asked.set(id, answering);
      const answer = await Promise.race([answering, sleep(PATIENCE_MS)]);
      if (answer === undefined) return undefined;
      asked.delete(id);
      return answer;
    },
  };
}

/** Asks a gate once. Never rejects; no message has an address in it. */
export async function askGate(question: GateQuestion, reach: Reach, signal?: AbortSignal): Promise<GateAnswer> {
  const { config, env } = reach;
  const gate = config.gates.get(question.gate);
  if (gate === undefined) {
    return {
      kind: 'error',
      message: `not known to this controller (expected: one of its gates; ${gateNames(config)})`,
    };
  }
  const body = JSON.stringify(question);
  try {
    if (gate.webhook !== undefined) return await askWebhook(gate.webhook, body, env, signal);
    if (gate.command !== undefined) return await askProgram(gate.command, body, signal);
    return { kind: 'error', message: 'neither webhook nor command' };
  } catch (error) {
    return { kind: 'error', message: messageOf(error) };
  }
}

/** Statuses by which a server says that it is not the time: forbidden, conflict, locked, too early, too many. */
const CLOSED: ReadonlySet<number> = new Set([403, 409, 423, 425, 429]);
const STATES: Readonly<Record<string, GateAnswer['kind']>> = { open: 'open', closed: 'closed', refused: 'refused' };

async function askWebhook(
  webhook: WebhookConfig,
  body: string,
  env: Reach['env'],
  signal: AbortSignal | undefined,
): Promise<GateAnswer> {
  const { status, body: answer } = await postToWebhook(webhook, env, {
    body,
    ...(signal === undefined ? {} : { signal }),
  });
  const message = isRecord(answer) && typeof answer['message'] === 'string' ? { message: answer['message'] } : {};
  if (CLOSED.has(status)) return { kind: 'closed', ...message };
  if (!isSuccess(status)) return { kind: 'error', message: `HTTP ${status} (expected: 2xx)` };
  const state = isRecord(answer) ? answer['state'] : undefined;
  if (state === undefined) return { kind: 'open', ...message };
  const kind = typeof state === 'string' && Object.hasOwn(STATES, state) ? STATES[state] : undefined;
  if (kind !== undefined) return { kind, ...message };
  return { kind: 'error', message: `state: ${String(state).slice(0, 20)} (expected: open, closed or refused)` };
}

/** As mail systems have it (sysexits.h): try again later. */
const EX_TEMPFAIL = 75;

async function askProgram(command: CommandConfig, body: string, signal: AbortSignal | undefined): Promise<GateAnswer> {
  const { code, output, failure } = await runProgram(command, body, signal);
  const said = output.trim().split('\n').at(-1) ?? '';
  const message = said === '' ? {} : { message: said };
  if (code === 0) return { kind: 'open', ...message };
  if (code === EX_TEMPFAIL) return { kind: 'closed', ...message };
  if (code !== undefined) return { kind: 'refused', message: said === '' ? `exit ${code}` : said };
  return { kind: 'error', message: failure ?? 'did not run' };
}
