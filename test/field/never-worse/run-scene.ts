import { setTimeout as pause } from 'node:timers/promises';
import { openCallers } from './clients';
import { beginFault, prepareFault } from './faults';
import type { Fleet } from './fleet';
import { startLoad, type Tally } from './load';
import type { Scene } from './scenes';
import { CALLS } from './workloads';

/** What one client saw while the fault was there. */
export interface Seen extends Tally {
  /** For each method of the workload: calls begun at each instance that is well. */
  readonly shares: readonly (readonly number[])[];
}

/** So long without a fault: a client learns what is usual. */
const WARM_UP_MS = 1_500;
export const FAULT_MS = 4_000;
/** After it every call has ended, but for streams that have nothing to say. */
const LAST_CALLS_MS = 1_600;

/** All clients make the same calls at the same moments; resolves to what each of them saw, by its name. */
export async function runScene(scene: Scene, fleet: Fleet, seed: number): Promise<ReadonlyMap<string, Seen>> {
  const isNat = scene.fault === 'NAT forgets connections';
  const hasVictim = scene.fault !== 'none' && !isNat;
  const wellCount = hasVictim ? scene.size - 1 : scene.size;
  await prepareFault(scene, fleet);
  const ports = [...fleet.wellPorts(wellCount), ...(hasVictim ? [fleet.victimPort] : [])];
  const callers = openCallers(ports.map(({ direct, relayed }) => (isNat ? relayed : direct)));
  let endFault = async (): Promise<void> => undefined;
  try {
    await Promise.all(callers.map((caller) => caller.ready()));
    const load = startLoad(scene.workload, callers, seed);
    try {
      await pause(WARM_UP_MS);
      await fleet.well.takeCounts();
      load.count();
      endFault = await beginFault(scene, fleet);
      await pause(FAULT_MS);
    } finally {
      load.stop();
    }
    await pause(LAST_CALLS_MS);
    const tallies = await load.ended();
    const counts = await fleet.well.takeCounts();
    const names = fleet.well.names.slice(0, wellCount);
    return new Map(
      [...tallies].map(([caller, tally]) => {
        const shares = CALLS[scene.workload].map(({ method }) =>
          names.map((name) => counts[name]?.[caller]?.[method] ?? 0),
        );
        return [caller, { ...tally, shares }];
      }),
    );
  } finally {
    await Promise.all(callers.map((caller) => caller.close()));
    await endFault();
  }
}
