import { type ChildProcess, fork } from 'node:child_process';

type Version = 'stable' | 'canary';

/** One payments server, in a process of its own. */
export interface Instance {
  readonly id: string;
  readonly version: Version;
  readonly datacenter: string;
  readonly port: number;
  readonly isAlive: boolean;
}

/** The servers of the demo. Their processes end with this one, however it ends. */
export interface Fleet {
  readonly instances: readonly Instance[];
  in(datacenter: string): readonly Instance[];
  get(id: string): Instance;
  /** SIGKILL: no goodbye, sockets torn down by the kernel. */
  kill(id: string): void;
  /** From now on one of so many calls to it fails: 1 is every call, 0 none. */
  setFailing(id: string, every: number): void;
  /** Starts it again, at the same port. */
  revive(id: string): Promise<Instance>;
  stop(): Promise<void>;
}

interface Member extends Instance {
  port: number;
  isAlive: boolean;
  child: ChildProcess;
}

const PER_DATACENTER: readonly (readonly [Version, number])[] = [
  ['stable', 3],
  ['canary', 2],
];

export async function startFleet(datacenters: readonly string[]): Promise<Fleet> {
  const wanted = datacenters.flatMap((datacenter) =>
    PER_DATACENTER.flatMap(([version, count]) =>
      Array.from({ length: count }, (_, index) => ({
        id: `${datacenter}-${version}-${index + 1}`,
        version,
        datacenter,
      })),
    ),
  );
  const members = await Promise.all(wanted.map((identity) => start(identity)));
  const get = (id: string): Member => {
    const found = members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`${id}: no such instance`);
    return found;
  };
  return {
    instances: members,
    in: (datacenter) => members.filter((member) => member.datacenter === datacenter),
    get,
    kill(id) {
      const member = get(id);
      member.isAlive = false;
      member.child.kill('SIGKILL');
    },
    setFailing(id, every) {
      get(id).child.send(every);
    },
    async revive(id) {
      const member = get(id);
      const { child, port } = await start(member, member.port);
      Object.assign(member, { child, port, isAlive: true });
      return member;
    },
    async stop() {
      await Promise.all(members.map(({ child }) => end(child)));
    },
  };
}

async function start(identity: Pick<Instance, 'id' | 'version' | 'datacenter'>, wantedPort = 0): Promise<Member> {
  const { id, version, datacenter } = identity;
  const child = fork(require.resolve('./instance.cjs'), [id, version, datacenter, String(wantedPort)], {
    execArgv: [],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)));
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`${id} did not start (${code ?? signal})`)));
  });
  return { id, version, datacenter, port, isAlive: true, child };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGKILL');
  });
}
