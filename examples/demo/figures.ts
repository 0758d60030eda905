import type { BreakerState } from 'graylane';
import type { Instance } from './fleet';
import type { Stage, Step, StepFinding } from './steps';

/** A step with what became of it. */
export interface StepView {
  readonly step: Step;
  readonly state: 'waiting' | 'running' | 'held' | 'failed';
  readonly finding: StepFinding | undefined;
  readonly lost: number;
}

/** Everything the screen shows, at one moment. */
export interface Figures {
  readonly seconds: number;
  readonly calls: number;
  readonly lost: number;
  readonly gray: { readonly sent: number; readonly canary: number };
  /** Of the last second. */
  readonly canaryPercent: number;
  readonly weightPercent: number;
  readonly medianMs: number;
  /** Calls that each instance answered in the last second. */
  readonly rates: ReadonlyMap<string, number>;
  readonly instances: readonly Instance[];
  /** The breaker of the whole canary in each datacenter, by its name; missing where it never counted a call. */
  readonly canaryBreakers: ReadonlyMap<string, BreakerState>;
  readonly steps: readonly StepView[];
}

export function takeFigures(stage: Stage, steps: readonly StepView[], startedAtMs: number): Figures {
  const { records } = stage.traffic;
  const nowMs = performance.now();
  const recent = records.filter((record) => record.endedAtMs >= nowMs - 1_000);
  const ordinary = recent.filter((record) => !record.isGray);
  const gray = records.filter((record) => record.isGray);
  const rates = new Map<string, number>();
  for (const { reply } of recent) {
    if (reply !== undefined) rates.set(reply.servedBy, (rates.get(reply.servedBy) ?? 0) + 1);
  }
  const breakers = stage.world.graylane.breakers
    .list()
    .filter(({ level, key }) => level === 'subset' && key.startsWith('canary@'));
  const durations = recent.map((record) => record.endedAtMs - record.startedAtMs).sort((a, b) => a - b);
  const canary = ordinary.filter((record) => record.reply?.version === 'canary').length;
  return {
    seconds: (nowMs - startedAtMs) / 1_000,
    calls: records.length,
    lost: records.filter((record) => record.reply === undefined).length,
    gray: { sent: gray.length, canary: gray.filter((record) => record.reply?.version === 'canary').length },
    canaryPercent: ordinary.length === 0 ? 0 : (canary / ordinary.length) * 100,
    weightPercent: stage.weightPercent,
    medianMs: durations[Math.floor(durations.length / 2)] ?? 0,
    rates,
    instances: stage.fleet.instances,
    canaryBreakers: new Map(breakers.map(({ key, state }) => [key.slice(key.lastIndexOf('@') + 1), state])),
    steps,
  };
}
