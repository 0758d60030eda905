import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** After a collection. */
export function heapKb(): number {
  collect();
  return process.memoryUsage().heapUsed / 1024;
}

/** Nanoseconds of one run, on average. For figures that are printed. */
export function nsEach(times: number, run: (round: number) => void): number {
  const start = process.hrtime.bigint();
  for (let round = 0; round < times; round += 1) run(round);
  return Number(process.hrtime.bigint() - start) / times;
}

/** Processor time of this process since `since`, in milliseconds: other load on the machine does not count. */
export function cpuMs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
}
