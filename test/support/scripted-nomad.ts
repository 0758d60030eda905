import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ControllerConfig } from '../../src/ops/rollout/config/controller-config';
import { NO_CONFIG } from '../../src/ops/rollout/config/controller-config';

type NomadStatus = 'running' | 'paused' | 'pending' | 'blocked' | 'failed' | 'cancelled' | 'successful';

/** In the shapes of `github.com/hashicorp/nomad/api`, `Deployment` and `DeploymentState`, with a field that nobody knows. */
export interface NomadDeployment {
  readonly ID: string;
  readonly JobID: string;
  readonly JobVersion: number;
  Status: NomadStatus;
  StatusDescription: string;
  TaskGroups: Record<
    string,
    { Promoted: boolean; readonly DesiredCanaries: number; readonly [field: string]: unknown }
  >;
  readonly [field: string]: unknown;
}

export interface ScriptedNomad {
  readonly address: string;
  /** `GET /v1/job/payments/deployment?namespace=shop` */
  readonly requests: readonly string[];
  /** Of the last request. */
  readonly token: string | undefined;
  /** By ID. The latest of a job is the last one. */
  readonly deployments: Map<string, NomadDeployment>;
  /** A deployment of a new version of the job; one that runs is cancelled, as by Nomad. */
  deploy(job: string, change?: Partial<NomadDeployment>): NomadDeployment;
  /** Answers everything so, until it is taken back by undefined. */
  refuse(answer: { readonly status: number; readonly text: string } | undefined): void;
  /** The first so many writes are done, and their answers get lost. */
  loseAnswers(count: number): void;
  /** What Nomad's clients do then. */
  onPromoted: (deployment: NomadDeployment) => Promise<void> | void;
  onFailed: (deployment: NomadDeployment) => Promise<void> | void;
  /** A configuration whose deployment `nomad` it is. */
  readonly config: ControllerConfig;
  stop(): Promise<void>;
}

/** Deployments as Nomad's HTTP API has them; it places and runs nothing. */
export async function startScriptedNomad(): Promise<ScriptedNomad> {
  const deployments = new Map<string, NomadDeployment>();
  const requests: string[] = [];
  let token: string | undefined;
  let refusal: { readonly status: number; readonly text: string } | undefined;
  let lost = 0;

  const latest = (job: string): NomadDeployment | undefined =>
    [...deployments.values()].findLast((one) => one.JobID === job);
  const write = async (verb: string, deployment: NomadDeployment, body: unknown): Promise<[number, unknown]> => {
    if (!['running', 'paused', 'pending', 'blocked'].includes(deployment.Status)) {
      return [500, `can't ${verb} terminal deployment`];
    }
    if (verb === 'fail') {
      Object.assign(deployment, { Status: 'failed', StatusDescription: 'Deployment marked as failed' });
      await scripted.onFailed(deployment);
      return [200, { EvalID: randomUUID(), EvalCreateIndex: 23, DeploymentModifyIndex: 23, RevertedJobVersion: 1 }];
    }
    if ((body as { readonly All?: unknown }).All !== true) return [400, 'one of All or Groups'];
    for (const group of Object.values(deployment.TaskGroups)) group.Promoted = group.DesiredCanaries > 0;
    await scripted.onPromoted(deployment);
    return [200, { EvalID: randomUUID(), EvalCreateIndex: 20, DeploymentModifyIndex: 20, RevertedJobVersion: null }];
  };
  const answer = async (method: string, path: string, body: string): Promise<[number, unknown]> => {
    if (refusal !== undefined) return [refusal.status, refusal.text];
    const [, , kind, name = '', last] = path.split('/').map(decodeURIComponent);
    if (kind === 'job' && last === 'deployment') return [200, latest(name) ?? null];
    const id = last ?? name;
    const deployment = deployments.get(id);
    if (deployment === undefined) return [404, 'deployment not found'];
    return method === 'GET' ? [200, deployment] : await write(name, deployment, JSON.parse(body));
  };
  const server = createServer(async (incoming, response) => {
    const body = await text(incoming);
    const url = new URL(incoming.url ?? '/', 'http://scripted');
    const { method = '' } = incoming;
    token = incoming.headers['x-nomad-token']?.toString();
    requests.push(`${method} ${url.pathname}${url.search}`);
    const [status, said] = await answer(method, url.pathname, body);
    if (method !== 'GET' && lost > 0) {
      lost -= 1;
      incoming.socket.destroy();
      return;
    }
    response.writeHead(status).end(typeof said === 'string' ? said : JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const scripted: ScriptedNomad = {
    address,
    requests,
    get token() {
      return token;
    },
    deployments,
    deploy(job, change = {}) {
      const before = latest(job);
      if (before?.Status === 'running') {
        Object.assign(before, { Status: 'cancelled', StatusDescription: 'Cancelled due to newer version of job' });
      }
      const group = { AutoRevert: true, AutoPromote: false, PlacedCanaries: [randomUUID()], PlacedAllocs: 1 };
      const made: NomadDeployment = {
        ...{ ID: randomUUID(), Namespace: 'default', JobID: job, JobVersion: (before?.JobVersion ?? 0) + 1 },
        ...{ Status: 'running', StatusDescription: 'Deployment is running but requires manual promotion' },
        TaskGroups: { api: { ...group, Promoted: false, DesiredCanaries: 1, DesiredTotal: 4, HealthyAllocs: 1 } },
        ...{ CreateIndex: 19, ModifyIndex: 19, EvalPriority: 50, NobodyKnowsThis: { a: [1] } },
        ...change,
      };
      deployments.set(made.ID, made);
      return made;
    },
    refuse: (next) => {
      refusal = next;
    },
    loseAnswers: (count) => {
      lost = count;
    },
    onPromoted: () => {},
    onFailed: () => {},
    config: { ...NO_CONFIG, deployments: new Map([['nomad', { nomad: { address, tokenEnv: 'NOMAD_TOKEN' } }]]) },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return scripted;
}
