import { readAll, type StoreSession } from '../consul/store-session';

const REVISION = /^(?:[1-9]\d*|[0-9a-f]{4,})$/;

/**
 * Decides which argument is the service and which the revision. Where both could be either, the one with a history is
 * the service; where both have one, the first.
 */
export async function orderArguments(
  first: string,
  second: string | undefined,
  session: StoreSession,
): Promise<{ readonly service: string; readonly revision: string | undefined }> {
  const asGiven = { service: first, revision: second };
  if (second === undefined) return asGiven;
  const swapped = { service: second, revision: first };
  const [firstFits, secondFits] = [REVISION.test(first), REVISION.test(second)];
  if (!firstFits || !secondFits) return firstFits ? swapped : asGiven;
  if (await hasHistory(first, session)) return asGiven;
  return (await hasHistory(second, session)) ? swapped : asGiven;
}

async function hasHistory(service: string, session: StoreSession): Promise<boolean> {
  const readings = await readAll(session, service);
  return readings.some((reading) => 'stored' in reading && reading.stored.history.length > 0);
}
