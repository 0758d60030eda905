import type { StoredPolicy } from '../../ops/store/history';
import { documentText, parseStored } from '../../ops/store/policy-text';
import type { LaneDocument, PolicyDocument } from '../../policy/document';
import { LANE_META, laneDimensions } from '../../policy/lanes/lane-plan';
import { laneOf } from '../../policy/lanes/lane-values';
import { instancesOf } from '../../policy/membership/snapshot';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import { validatePolicy } from '../../policy/validate';
import { CommandError } from '../command';
import { readInstancesNow } from '../consul/instances-now';
import {
  inSlices,
  nameOf,
  orFailure,
  readEvery,
  ServiceHasNone,
  type StoreSession,
  withStore,
} from '../consul/store-session';
import type { CommandIo } from '../io';
import { type ApplyFlags, carryOut, checkApplyFlags } from '../policy/apply-files';
import { planService } from '../policy/planned-change';

const LABEL = 'x-lane';

interface CreateFlags extends ApplyFlags {
  readonly services: readonly string[];
  /** Milliseconds. */
  readonly ttl: number;
  readonly by?: string;
}

interface DeleteFlags extends ApplyFlags {
  readonly by?: string;
}

/** `lane create`. */
export async function createLane(name: string, flags: CreateFlags, io: CommandIo): Promise<void> {
  const { services, ttl, by } = flags;
  checkName(name);
  if (services.length === 0) {
    throw new CommandError(2, '--services: none (expected: at least one)', 'add --services orders,payments');
  }
  const until = new Date(Date.now() + ttl).toISOString();
  const own = { ...flags, message: flags.message ?? `lane ${name} until ${until}` };
  checkApplyFlags(own);
  const again = `run graylane lane create ${name} again`;
  await withStore(own, io, async (session) => {
    const planned = await inSlices(services, (service) =>
      planService({ service, text: (stored) => withEnd(stored, name, until, by), again }, session, own),
    );
    await carryOut({ planned, isSeveral: planned.length > 1 }, own, session, io);
  });
}

/** `lane delete`. Ends with 1 where no policy names it. */
export async function deleteLane(name: string, flags: DeleteFlags, io: CommandIo): Promise<void> {
  checkName(name);
  const own = { ...flags, message: flags.message ?? `lane ${name} deleted` };
  checkApplyFlags(own);
  const again = `run graylane lane delete ${name} again`;
  const nowMs = Date.now();
  await withStore(own, io, async (session) => {
    const named = await servicesNaming(name, flags.by, session);
    if (named.size === 0) {
      const message = `no policy gives lane ${name} an end`;
      throw new CommandError(
        1,
        message,
        `run graylane lane list, or graylane lane create ${name} --ttl 1s with its services`,
      );
    }
    const planned = await inSlices([...named], async ([service, found]) => {
      const held = await heldBy(name, found, session);
      const datacenters = found.map(({ datacenter }) => datacenter);
      for (const text of held) io.note(`${io.colors.yellow('note')} ${text}`);
      const text = (stored: StoredPolicy): string => withoutLane(stored, name, flags.by, nowMs, held.length > 0);
      return planService({ service, text, again }, { ...session, datacenters }, own);
    });
    await carryOut({ planned, isSeveral: planned.length > 1 }, own, session, io);
  });
}

function checkName(name: string): void {
  if (/^[\x21-\x7e]{1,256}$/.test(name)) return;
  throw new CommandError(2, `name: ${JSON.stringify(name)} (expected: 1 to 256 visible ASCII characters)`);
}

/** The policy with an end for the lane. Throws a CommandError where it cannot have one. */
function withEnd(stored: StoredPolicy, name: string, until: string, by: string | undefined): string {
  const document = documentOf(stored);
  const dimensions = laneDimensions(document);
  if (dimensions.length === 0) {
    return documentText({ ...document, lanes: { by: by ?? LABEL, ends: { [name]: until } } });
  }
  const wanted = by?.toLowerCase() ?? (dimensions.length === 1 ? dimensions[0]?.by.toLowerCase() : LABEL);
  const at = dimensions.findIndex((each) => each.by.toLowerCase() === wanted);
  if (at < 0) {
    const known = dimensions.map((each) => each.by).join(', ');
    const next = dimensions.length === 1 ? 'leave --by out, or change the policy' : `add --by, one of ${known}`;
    throw new CommandError(
      1,
      `${stored.service}: its lanes go by ${known}, not by ${wanted}; nothing was written`,
      next,
    );
  }
  return documentText(
    withDimensions(document, (each, index) =>
      index === at ? { ...each, ends: { ...each.ends, [name]: until } } : each,
    ),
  );
}

/** The policy with the lane's ends set to now, or without those that are past. */
function withoutLane(
  stored: StoredPolicy,
  name: string,
  by: string | undefined,
  nowMs: number,
  isHeld: boolean,
): string {
  return documentText(
    withDimensions(documentOf(stored), (each) => {
      const end = isMeant(each, by) ? (ownValue(each.ends, name) as string | undefined) : undefined;
      if (end === undefined) return each;
      if ((parseTimestamp(end) ?? 0) > nowMs) {
        return { ...each, ends: { ...each.ends, [name]: new Date(nowMs).toISOString() } };
      }
      if (isHeld) return each;
      const { [name]: _, ...ends } = each.ends ?? {};
      const { ends: __, ...rest } = each;
      return Object.keys(ends).length === 0 ? rest : { ...rest, ends };
    }),
  );
}

function withDimensions(
  document: PolicyDocument,
  change: (dimension: LaneDocument, at: number) => LaneDocument,
): PolicyDocument {
  const changed = laneDimensions(document).map(change);
  return { ...document, lanes: Array.isArray(document.lanes) ? changed : (changed[0] as LaneDocument) };
}

function isMeant(dimension: LaneDocument, by: string | undefined): boolean {
  return by === undefined || dimension.by.toLowerCase() === by.toLowerCase();
}

function documentOf({ service, datacenter, policy }: StoredPolicy): PolicyDocument {
  if (policy === undefined) {
    const message = `${service} has no policy; nothing was written`;
    throw new ServiceHasNone(service, datacenter, message, 'run graylane policy apply FILE');
  }
  const { document, problems } = validatePolicy(parseStored(policy.text), { service });
  if (document === undefined) {
    const why = problems[0]?.message ?? 'not JSON';
    const message = `${service}: the policy in Consul is not valid: ${why}; nothing was written`;
    throw new CommandError(1, message, 'mend it with graylane policy apply');
  }
  if (document.tombstone !== true) return document;
  throw new CommandError(1, `${service} has no policy any more (a tombstone)`, 'run graylane policy apply FILE');
}

/** The services whose policies give the lane an end, with the datacenters of these policies. */
async function servicesNaming(
  name: string,
  by: string | undefined,
  session: StoreSession,
): Promise<ReadonlyMap<string, readonly StoredPolicy[]>> {
  const found = new Map<string, readonly StoredPolicy[]>();
  for (const datacenter of session.datacenters) {
    const stored = await orFailure(readEvery(session, datacenter));
    if ('failure' in stored) throw new CommandError(2, `${nameOf(datacenter)}: ${stored.failure}; nothing was written`);
    for (const each of stored) {
      const { service, policy } = each;
      const { document } = validatePolicy(parseStored(policy?.text ?? ''), { service });
      const isNamed = laneDimensions(document ?? {}).some(
        (dimension) => isMeant(dimension, by) && Object.hasOwn(dimension.ends ?? {}, name),
      );
      if (isNamed) found.set(service, [...(found.get(service) ?? []), each]);
    }
  }
  return found;
}

/** Why an end that is past stays: somebody is in the lane. */
async function heldBy(
  name: string,
  stored: readonly StoredPolicy[],
  { connection }: StoreSession,
): Promise<readonly string[]> {
  const [first] = stored;
  if (first === undefined) return [];
  const { service } = first;
  const dimensions = laneDimensions(documentOf(first)).map(({ meta = LANE_META }) => ({ meta }));
  const datacenters = stored.map(({ datacenter }) => datacenter);
  const set = await readInstancesNow(connection.client, service, datacenters, [], { tolerant: true });
  const inside = instancesOf(set).filter((instance) => laneOf(instance, dimensions)?.includes(name) === true);
  if (inside.length === 0) return [];
  const ids = inside.slice(0, 3).map(({ id }) => id);
  const more = inside.length > ids.length ? ` and ${inside.length - ids.length} more` : '';
  return [`${service}: ${ids.join(', ')}${more} still in lane ${name}: its end stays, so that it is no lane again`];
}
