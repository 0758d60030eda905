import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { sep } from 'node:path';

/** Where the processor time of some work went, in microseconds; time that the process waited is left out. */
export interface Profile {
  /** By whose code it is, most first. */
  readonly byOrigin: readonly Share[];
  /** Functions of graylane alone, most first. */
  readonly own: readonly Share[];
}

export interface Share {
  readonly name: string;
  readonly us: number;
}

type Frame = Profiler.ProfileNode['callFrame'];

const SAMPLE_EVERY_US = 100;
const OWN = 'graylane';
const MOST_FUNCTIONS = 8;

/** Runs `work` under V8's sampling profiler, which slows it down: shares can be told from it, and no cost. */
export async function profiled(work: () => Promise<unknown>): Promise<Profile> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return summarize(profile);
}

function summarize({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Profile {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byOrigin = new Map<string, number>();
  const own = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const frame = frames.get(id);
    // A sample stands for the time until the next one.
    const us = timeDeltas[at + 1] ?? 0;
    if (frame === undefined || frame.functionName === '(idle)') continue;
    const origin = originOf(frame);
    byOrigin.set(origin, (byOrigin.get(origin) ?? 0) + us);
    if (origin === OWN) own.set(nameOf(frame), (own.get(nameOf(frame)) ?? 0) + us);
  }
  return { byOrigin: sorted(byOrigin), own: sorted(own).slice(0, MOST_FUNCTIONS) };
}

function originOf({ url, functionName }: Frame): string {
  if (url.startsWith('node:')) return 'Node';
  if (url === '') return functionName.startsWith('(') ? functionName.slice(1, -1) : 'built into V8';
  const dependency = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(url)?.[1];
  if (dependency !== undefined) return dependency.replace('\\', '/');
  return url.includes(`${sep}dist${sep}`) ? OWN : 'the benchmark';
}

function nameOf({ url, functionName, lineNumber }: Frame): string {
  const file = url.slice(url.lastIndexOf(`${sep}dist${sep}`) + 6);
  return `${functionName || `line ${lineNumber + 1}`} (${file})`;
}

function sorted(times: ReadonlyMap<string, number>): readonly Share[] {
  return [...times].map(([name, us]) => ({ name, us })).sort((a, b) => b.us - a.us);
}
