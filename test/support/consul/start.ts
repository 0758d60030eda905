import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentProcess, spawnAgent } from './agent-process';
import { type ConsulApi, createConsulApi } from './http-api';
import { obtainConsul } from './obtain';
import { freePorts, loopbackAddress } from './ports';

export interface StartConsulOptions {
  /** Federated, one server each. Default: `['dc1']`. */
  readonly datacenters?: readonly string[];
  /** `dev` (default) is up in 0.3 s and loses its state at a restart; `server` takes 2 s and keeps it. */
  readonly mode?: 'dev' | 'server';
  /** ACLs on, default deny; the handles' own requests use the management token. Default: off. */
  readonly acl?: boolean;
  /** Every agent answers over HTTPS too, at `secureAddress`, with these files. */
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    /** Only for clients with a certificate of that authority. Default: false. */
    readonly verifyIncoming?: boolean;
  };
  /** Every agent answers DNS too, at `dnsAddress`. Default: false. */
  readonly dns?: boolean;
  /** Merged into every agent's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface ConsulCluster {
  readonly datacenters: readonly ConsulDatacenter[];
  /** Throws for a name that was not started. */
  dc(name: string): ConsulDatacenter;
  /** Ends every agent of this cluster and removes its files. Idempotent. */
  stop(): Promise<void>;
}

export interface ConsulDatacenter extends ConsulApi {
  readonly name: string;
  /** `https://host:port`, with `tls`. */
  readonly secureAddress: string;
  /** `host:port`, with `dns: true`. */
  readonly dnsAddress: string;
  /** The management token, with `acl: true`. */
  readonly token: string | undefined;
  /** Of the process that runs now. */
  readonly pid: number;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP; sockets stay open, and nothing answers from the return of this call on. */
  freeze(): void;
  thaw(): void;
  /** SIGTERM: it leaves, as in a planned stop. */
  stop(): Promise<void>;
  /** Starts it again at the same addresses after `kill` or `stop`; resolves when it answers. */
  restart(): Promise<void>;
}

interface Seat {
  readonly name: string;
  readonly host: string;
  readonly ports: readonly number[];
}

const START_LIMIT_MS = 30_000;

/** Starts federated Consul agents on loopback addresses; resolves when each datacenter answers for every other. */
export async function startConsul(options: StartConsulOptions = {}): Promise<ConsulCluster> {
  const binary = await obtainConsul();
  const folder = await mkdtemp(join(tmpdir(), 'graylane-consul-'));
  const token = options.acl === true ? randomUUID() : undefined;
  const seats = await Promise.all(
    (options.datacenters ?? ['dc1']).map(async (name): Promise<Seat> => {
      const host = loopbackAddress();
      return { name, host, ports: await freePorts(host, 6) };
    }),
  );
  const launched = await Promise.all(seats.map((seat) => launch(seat, seats, { binary, folder, token, options })));
  const stop = async (): Promise<void> => {
    await Promise.all(launched.map((one) => one.kill()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(launched.map((one) => whenAnswering(one, seats)));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    datacenters: launched,
    dc: (name) => {
      const found = launched.find((one) => one.name === name);
      if (found === undefined) throw new Error(`datacenter ${name} was not started`);
      return found;
    },
    stop,
  };
}

interface LaunchContext {
  readonly binary: string;
  readonly folder: string;
  readonly token: string | undefined;
  readonly options: StartConsulOptions;
}

type Launched = ConsulDatacenter & { output(): string };

async function launch(seat: Seat, seats: readonly Seat[], context: LaunchContext): Promise<Launched> {
  const { binary, folder, token, options } = context;
  const file = join(folder, `${seat.name}.json`);
  await writeFile(file, JSON.stringify(configuration(seat, seats, context)));
  const mode = options.mode === 'server' ? ['-server', '-bootstrap-expect=1'] : ['-dev'];
  const start = (): AgentProcess => spawnAgent(binary, ['agent', ...mode, `-config-file=${file}`, '-log-level=warn']);
  let agent = start();
  const end = async (name: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (!agent.isRunning) return;
    agent.signal(name);
    agent.signal('SIGCONT');
    await agent.ended;
  };
  const handle: Launched = {
    ...createConsulApi(`http://${seat.host}:${seat.ports[0]}`, token),
    name: seat.name,
    secureAddress: `https://${seat.host}:${seat.ports[4]}`,
    dnsAddress: `${seat.host}:${seat.ports[5]}`,
    token,
    get pid() {
      return agent.pid;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    freeze: () => agent.freeze(),
    thaw: () => agent.signal('SIGCONT'),
    restart: async () => {
      await end('SIGKILL');
      agent = start();
      await whenAnswering(handle, [seat]);
    },
    output: () => agent.output(),
  };
  return handle;
}

function configuration(seat: Seat, seats: readonly Seat[], context: LaunchContext): Record<string, unknown> {
  const [http, serfLan, serfWan, server, https, dns] = seat.ports;
  const { tls } = context.options;
  const others = seats.filter((one) => one !== seat).map((one) => `${one.host}:${one.ports[2]}`);
  return {
    datacenter: seat.name,
    node_name: `${seat.name}-s1`,
    bind_addr: seat.host,
    client_addr: seat.host,
    disable_update_check: true,
    ports: {
      http,
      dns: context.options.dns === true ? dns : -1,
      serf_lan: serfLan,
      serf_wan: serfWan,
      server,
      grpc: -1,
      https: tls === undefined ? -1 : https,
    },
    ...(tls === undefined
      ? {}
      : {
          ca_file: tls.caFile,
          cert_file: tls.certFile,
          key_file: tls.keyFile,
          verify_incoming_https: tls.verifyIncoming === true,
        }),
    ...(others.length === 0 ? {} : { retry_join_wan: others, retry_interval_wan: '200ms' }),
    ...(context.options.mode === 'server'
      ? { data_dir: join(context.folder, seat.name), performance: { raft_multiplier: 1 } }
      : {}),
    ...(context.token === undefined
      ? {}
      : { acl: { enabled: true, default_policy: 'deny', tokens: { master: context.token, agent: context.token } } }),
    ...context.options.config,
  };
}

async function whenAnswering(agent: Launched, seats: readonly Seat[]): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  for (const seat of seats) {
    for (;;) {
      try {
        const response = await agent.request('GET', `/v1/health/service/consul?dc=${seat.name}`);
        if (((await response.json()) as unknown[]).length > 0) break;
      } catch {
        // Not listening yet, no leader yet, or no path to that datacenter yet.
      }
      if (performance.now() > deadline) {
        throw new Error(`Consul ${agent.name} does not answer for ${seat.name}:\n${agent.output()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
