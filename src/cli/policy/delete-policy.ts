import { documentText } from '../../ops/store/policy-store';
import { CommandError } from '../command-error';
import { readAll, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { type ApplySettings, applyText } from './apply-files';

/** `policy delete`: ends with 1 when there is none. */
export async function deletePolicy(service: string, settings: ApplySettings, io: CommandIo): Promise<void> {
  const isThere = await withStore(settings, io, async (session) => {
    const readings = await readAll(session, service);
    return readings.some((reading) => 'stored' in reading && reading.stored.policy !== undefined);
  });
  if (!isThere) throw new CommandError(1, `${service} has no policy`, 'run graylane policy list');
  const text = documentText({ schema: 1, service, tombstone: true });
  const again = `run graylane policy get ${service}, then delete again`;
  await applyText({ service, text, again }, settings, io);
}
