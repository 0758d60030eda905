import { hasEnded, type RolloutRecord } from '../../ops/rollout/record';

/** A rollout for `--json`. */
export function recordAsData(record: RolloutRecord, holder?: string): Record<string, unknown> {
  const { service, startedBy, progress } = record;
  const { id, state, step, weight, waitingFor, startedAtMs, results, document } = progress;
  return {
    service,
    id,
    startedBy,
    startedAt: new Date(startedAtMs).toISOString(),
    state,
    step,
    steps: document.steps,
    weight,
    hasEnded: hasEnded(progress),
    ...(waitingFor === undefined ? {} : { waitingFor }),
    controller: holder ?? null,
    results,
  };
}
