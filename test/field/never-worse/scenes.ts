import type * as grpc from '@grpc/grpc-js';
import { seededRandom } from '../../../src/base/random';
import type { Algorithm } from '../../../src/policy/document';

const WORKLOADS = [
  'quick unary',
  'methods of 3 and 600 ms',
  'long polls',
  'quiet subscriptions',
  'chatty streams',
  'uploads',
  'deadlines',
  'cancels',
] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** Three codes of which breakers are opened, one that sheds load, and two that an application may give for its reasons. */
export const FAST_CODES = [
  'UNAVAILABLE',
  'INTERNAL',
  'UNKNOWN',
  'RESOURCE_EXHAUSTED',
  'UNIMPLEMENTED',
  'UNAUTHENTICATED',
] as const satisfies readonly (keyof typeof grpc.status)[];

export const FAULTS = [
  'none',
  'killed',
  'frozen',
  'hung handlers',
  '20 x slower',
  'fails 20 %',
  ...FAST_CODES.map((code) => `fails fast: ${code}` as const),
  'sheds load',
  'restarts every 2 s',
  'stalls 1 s now and then',
  'NAT forgets connections',
] as const;
type FaultName = (typeof FAULTS)[number];

export const ALGORITHMS: readonly Algorithm[] = ['peak_ewma', 'least_request', 'round_robin', 'random', 'ring_hash'];
const SIZES = [3, 10] as const;

/** One run: a client of each algorithm and a plain one make the same calls, at the same time, to the same instances. */
export interface Scene {
  readonly workload: WorkloadName;
  readonly fault: FaultName;
  /** Number of instances. */
  readonly size: number;
}

export function nameOf({ workload, fault, size }: Scene): string {
  return `${workload}, ${fault}, ${size} instances`;
}

export function allScenes(): Scene[] {
  return FAULTS.flatMap((fault) =>
    WORKLOADS.flatMap((workload) => SIZES.map((size): Scene => ({ workload, fault, size }))),
  );
}

/** One scene of each workload, each with a fault of its own. */
export function sliceOf(scenes: readonly Scene[], seed: number): Scene[] {
  const random = seededRandom(seed);
  const faults = new Set<FaultName>();
  return WORKLOADS.map((workload) => {
    const open = scenes.filter((scene) => scene.workload === workload && !faults.has(scene.fault));
    const scene = open[Math.floor(random() * open.length)] as Scene;
    faults.add(scene.fault);
    return scene;
  });
}
