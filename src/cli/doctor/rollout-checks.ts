import { GraylaneError } from '../../base/errors';
import { hasEnded } from '../../ops/rollout/record';
import { createRolloutStore, type StoredRollout } from '../../ops/rollout/store';
import { describePlace } from '../rollout/rollout-view';
import type { Finding, Question } from './finding';

/** A rollout under way that nobody drives, or that waits for a person. */
export async function checkRollout({ service, connection }: Question): Promise<readonly Finding[]> {
  let stored: StoredRollout;
  try {
    stored = await createRolloutStore(connection.client).read(service);
  } catch (error) {
    // Who reads policies may not have to read rollouts.
    if (GraylaneError.is(error)) return [];
    throw error;
  }
  const { record, holder } = stored;
  if (record === undefined || hasEnded(record.progress)) return [];
  const check = `rollout of ${service}`;
  const place = describePlace(record.progress);
  if (holder === undefined) {
    const next = `start a controller: graylane rollout run, or end it: graylane rollout abort ${service}`;
    return [{ check, state: 'problem', finding: `no controller drives it: ${place}`, next }];
  }
  if (record.progress.state.kind === 'running')
    return [{ check, state: 'ok', finding: `${place}, driven by ${holder}` }];
  const next = `run graylane rollout status ${service}, then resume, promote or abort`;
  return [{ check, state: 'info', finding: place, next }];
}
