import { type InstancesProcess, loadInstances } from './instances';
import type { Port } from './service';

/**
 * The instances of all scenes: ten that are well, in one process, so that a busy machine makes none slower than another;
 * and one to which faults happen, in another.
 */
export interface Fleet {
  readonly well: InstancesProcess;
  readonly victim: InstancesProcess;
  /** Loads as many processes, so that victims can be replaced without the time that a process needs to start. */
  prepare(victims: number): Promise<void>;
  /** After the victim was killed: another process serves at the same port. */
  replaceVictim(): Promise<void>;
  /** Where so many of those that are well serve. */
  wellPorts(count: number): readonly Port[];
  readonly victimPort: Port;
  stop(): Promise<void>;
}

const VICTIM = 'victim';
const WELL = Array.from({ length: 10 }, (_, index) => `well-${index}`);

export async function startFleet(): Promise<Fleet> {
  const [well, first] = await Promise.all([loadInstances(WELL), loadInstances([VICTIM])]);
  const spares: InstancesProcess[] = [];
  let victim = first;
  const ports = await well.listen();
  let [victimPort] = (await victim.listen()) as [Port];
  return {
    well,
    get victim() {
      return victim;
    },
    prepare: async (victims) => {
      while (spares.length < victims) spares.push(await loadInstances([VICTIM]));
    },
    replaceVictim: async () => {
      victim = spares.pop() ?? (await loadInstances([VICTIM]));
      [victimPort] = (await victim.listen([victimPort.direct])) as [Port];
    },
    wellPorts: (count) => ports.slice(0, count),
    get victimPort() {
      return victimPort;
    },
    stop: async () => {
      await Promise.all([well, victim, ...spares].map((one) => one.kill()));
    },
  };
}
