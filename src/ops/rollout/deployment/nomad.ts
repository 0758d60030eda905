import { type JsonAnswer, requestJson } from '../../../base/http-json';
import { isRecord } from '../../../base/is-record';
import { shorten, shortenMiddle } from '../../../base/shorten';
import { isSuccess, messageOf, type Reach, readToken } from '../analysis/requests';
import { deploymentNames, type NomadConfig } from '../config/controller-config';
import type { BoundDeployment } from '../progress';
import { type DeploymentAnswer, type DeploymentQuestion, isBoundDeployment } from './deployment';

/** Asks the deployment systems of a controller's configuration. Never rejects. */
export interface Deployer {
  ask(question: DeploymentQuestion): Promise<DeploymentAnswer>;
}

/** The controller looks at a rollout each second; Nomad is asked less often. */
const LOOK_EVERY_MS = 5_000;

/** `now`: wall clock, milliseconds. */
export function createDeployer(reach: Reach, now: () => number): Deployer {
  const looks = new Map<string, { readonly atMs: number; readonly answer: DeploymentAnswer }>();
  return {
    async ask(question) {
      const { verb, rollout } = question;
      const last = looks.get(rollout);
      if (verb === 'look' && last !== undefined && now() - last.atMs < LOOK_EVERY_MS) return last.answer;
      const answer = await askOnce(question, reach);
      if (verb === 'look') looks.set(rollout, { atMs: now(), answer });
      else if (verb !== 'find') looks.delete(rollout);
      return answer;
    },
  };
}

async function askOnce(question: DeploymentQuestion, { config, env }: Reach): Promise<DeploymentAnswer> {
  const { name, service } = question;
  const nomad = config.deployments.get(name)?.nomad;
  if (nomad === undefined) {
    const expected = `expected: one of its deployments; ${deploymentNames(config)}`;
    return { kind: 'unknown', message: `deployment ${name}: not known to this controller (${expected})` };
  }
  try {
    return await askNomad(question, { nomad, env, job: nomad.job ?? service });
  } catch (error) {
    return { kind: 'waiting', message: `Nomad: ${messageOf(error)}` };
  }
}

interface Place {
  readonly nomad: NomadConfig;
  readonly env: Reach['env'];
  readonly job: string;
}

/**
 * Paths and fields: https://developer.hashicorp.com/nomad/api-docs/deployments and
 * https://developer.hashicorp.com/nomad/api-docs/jobs#read-job-s-most-recent-deployment
 */
async function askNomad({ verb, bound }: DeploymentQuestion, place: Place): Promise<DeploymentAnswer> {
  if (verb === 'find' || bound === undefined) {
    const { status, body, text } = await request(place, `job/${encodeURIComponent(place.job)}/deployment`);
    if (status === 404) return { kind: 'waiting', message: `Nomad has no job ${place.job}` };
    if (!isSuccess(status)) return notAnswered(status, text);
    return found(place.job, body);
  }
  const { status, body, text } = await request(place, `deployment/${encodeURIComponent(bound.id)}`);
  if (status === 404) return { kind: 'over', message: `Nomad knows deployment ${short(bound)} no more` };
  if (!isSuccess(status)) return notAnswered(status, text);
  const read = readDeployment(body);
  if (read === undefined) return { kind: 'waiting', message: 'Nomad: an answer that is no deployment' };
  if (read.job !== place.job) {
    return {
      kind: 'over',
      message: `deployment ${short(bound)} is of job ${shorten(read.job)} (expected: ${place.job})`,
    };
  }
  const is = `deployment ${short(bound)} of job ${place.job} is ${read.status}`;
  const described = read.description === '' ? is : `${is}: ${read.description}`;
  if (verb === 'fail') {
    if (!read.isActive) return { kind: 'done', bound, message: is };
    return write(place, bound, 'fail', 'failed');
  }
  if (read.isPromoted || read.status === 'successful') return { kind: 'done', bound, message: `${is}, promoted` };
  if (!read.isActive) return { kind: 'over', message: described };
  return verb === 'promote' ? write(place, bound, 'promote', 'promoted') : { kind: 'waiting', message: described };
}

async function write(
  place: Place,
  bound: BoundDeployment,
  verb: 'promote' | 'fail',
  done: string,
): Promise<DeploymentAnswer> {
  const what = verb === 'promote' ? { DeploymentID: bound.id, All: true } : { DeploymentID: bound.id };
  const { status, text } = await request(place, `deployment/${verb}/${encodeURIComponent(bound.id)}`, what);
  if (!isSuccess(status)) return notAnswered(status, text);
  return { kind: 'done', bound, message: `deployment ${short(bound)} of job ${place.job} ${done}` };
}

function found(job: string, body: unknown): DeploymentAnswer {
  const read = readDeployment(body);
  const wanted = '(expected: one with canaries that waits for its promotion)';
  if (read === undefined) return { kind: 'waiting', message: `job ${job} has no deployment ${wanted}` };
  const { bound } = read;
  const which = `deployment ${short(bound)} of job ${job}, version ${bound.version}`;
  if (!read.isActive) return { kind: 'waiting', message: `${which}: ${read.status} ${wanted}` };
  if (!read.hasCanaries) return { kind: 'waiting', message: `${which}: without canaries ${wanted}` };
  if (read.isPromoted) return { kind: 'waiting', message: `${which}: promoted already ${wanted}` };
  return { kind: 'done', bound, message: which };
}

interface ReadDeployment {
  readonly bound: BoundDeployment;
  readonly job: string;
  readonly status: string;
  readonly description: string;
  readonly isActive: boolean;
  readonly hasCanaries: boolean;
  /** All groups that have canaries. */
  readonly isPromoted: boolean;
}

/** Others are `failed`, `cancelled` (a newer version of the job) and `successful`. */
const ACTIVE: ReadonlySet<unknown> = new Set(['running', 'paused', 'pending', 'blocked', 'unblocking']);

/** Undefined: no deployment. Fields that are not known here are passed over. */
function readDeployment(body: unknown): ReadDeployment | undefined {
  if (!isRecord(body)) return undefined;
  const bound = { id: body['ID'], version: body['JobVersion'] };
  const { JobID: job, Status: status, StatusDescription: description } = body;
  if (!isBoundDeployment(bound) || typeof job !== 'string' || typeof status !== 'string') return undefined;
  const groups = isRecord(body['TaskGroups']) ? Object.values(body['TaskGroups']).filter(isRecord) : [];
  const gray = groups.filter((group) => Number(group['DesiredCanaries'] ?? 0) > 0);
  return {
    bound,
    job,
    status: shorten(status),
    description: typeof description === 'string' ? shortenMiddle(description, MAX_SAID) : '',
    isActive: ACTIVE.has(status),
    hasCanaries: gray.length > 0,
    isPromoted: gray.length > 0 && gray.every((group) => group['Promoted'] === true),
  };
}

async function request({ nomad, env }: Place, path: string, body?: object): Promise<JsonAnswer> {
  const { address, namespace, region, headers, timeoutMs = 10_000 } = nomad;
  const url = new URL(`${address.replace(/\/+$/, '')}/v1/${path}`);
  if (namespace !== undefined) url.searchParams.set('namespace', namespace);
  if (region !== undefined) url.searchParams.set('region', region);
  const token = await readToken(nomad, env);
  const answer = await requestJson({
    url,
    headers: { ...headers, ...(token === undefined ? {} : { 'x-nomad-token': token }) },
    timeoutMs,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // What stands between may send the request back.
  return token === undefined ? answer : { ...answer, text: answer.text.replaceAll(token, '[token]') };
}

const MAX_SAID = 200;

/** Nomad says in plain text what it does not do. */
function notAnswered(status: number, text: string): DeploymentAnswer {
  const said = shortenMiddle(text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim(), MAX_SAID);
  return { kind: 'waiting', message: `Nomad: HTTP ${status}${said === '' ? '' : `: ${said}`}` };
}

/** As Nomad's own command shows it. */
function short({ id }: BoundDeployment): string {
  return id.slice(0, 8);
}
