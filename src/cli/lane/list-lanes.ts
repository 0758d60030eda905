import { compileStored } from '../../ops/store/policy-text';
import { inspectLanes } from '../../policy/lanes/inspect-lanes';
import { membershipOf } from '../../policy/membership/membership';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import type { ConsulFlags } from '../consul/consul-connection';
import { readInstancesNow } from '../consul/instances-now';
import {
  inSlices,
  nameOf,
  orFailure,
  readEveryAllowed,
  type StoreSession,
  unanswered,
  withStore,
} from '../consul/store-session';
import type { CommandIo } from '../io';

interface LaneOfService {
  readonly service: string;
  readonly datacenter: string;
  readonly instances: number;
  readonly usable: number;
  readonly ends: string | undefined;
  readonly isEnded: boolean;
}

interface ListedLane {
  readonly lane: string;
  /** Labels, in the order of the dimensions. */
  readonly by: readonly string[];
  /** The services that have instances in it. */
  readonly services: readonly LaneOfService[];
  /** Those that have none: where their calls go. */
  readonly fallback: readonly { readonly service: string; readonly datacenter: string; readonly to: string }[];
  /** The first of its ends, RFC 3339. */
  readonly ends: string | undefined;
  /** Services in which it has ended. */
  readonly endedIn: readonly string[];
}

/** `lane list`. */
export async function listLanes(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const views: ServiceView[] = [];
    for (const datacenter of session.datacenters) views.push(...(await viewsIn(datacenter, session, io)));
    const lanes = lanesOf(views);
    io.json(lanes);
    if (lanes.length === 0) return io.line(views.length === 0 ? 'no policy has lanes' : 'no lanes');
    await io.table(lanes, {
      lane: ({ lane }) => lane,
      by: ({ by }) => by.join(', '),
      'instances in': ({ services }) => services.map((each) => shown(each)).join(', ') || 'nobody',
      'falls back': ({ fallback }) => fallback.map(({ service, to }) => `${service}: ${to}`).join(', '),
      ends: (one) => describeEnd(one),
    });
  });
}

interface ServiceView {
  readonly plan: Plan;
  readonly datacenter: string;
  readonly lanes: ReturnType<typeof inspectLanes>;
}

/** Of the services whose policies have lanes. */
async function viewsIn(
  datacenter: string | undefined,
  session: StoreSession,
  io: CommandIo,
): Promise<readonly ServiceView[]> {
  const stored = await orFailure(readEveryAllowed(session, datacenter));
  if ('failure' in stored) throw unanswered(session.connection, [`${nameOf(datacenter)}: ${stored.failure}`]);
  const plans = stored.flatMap(({ service, policy }) => {
    const plan = policy === undefined ? undefined : compileStored(service, policy.text);
    if (plan instanceof PolicyError) io.note(`graylane: ${service} in ${nameOf(datacenter)}: its policy is not valid`);
    return plan === undefined || plan instanceof PolicyError || plan.lanes === undefined ? [] : [plan];
  });
  return inSlices(plans, async (plan) => {
    const set = await readInstancesNow(session.connection.client, plan.service, [datacenter], []);
    const lanes = inspectLanes(plan, membershipOf(plan, set), Date.now());
    return { plan, datacenter: nameOf(datacenter), lanes };
  });
}

function lanesOf(views: readonly ServiceView[]): readonly ListedLane[] {
  const keys = new Map<string, { readonly lane: string; readonly by: readonly string[] }>();
  const labelsOf = ({ plan }: ServiceView): readonly string[] => plan.lanes?.dimensions.map(({ by }) => by) ?? [];
  for (const view of views) {
    const by = labelsOf(view);
    for (const { lane } of view.lanes) keys.set(JSON.stringify([by, lane]), { lane, by });
  }
  return [...keys.values()]
    .sort((a, b) => (a.lane < b.lane ? -1 : 1))
    .map(({ lane, by }) => {
      const own = views.filter((view) => labelsOf(view).join() === by.join());
      const services = own.flatMap(({ plan, datacenter, lanes }) => {
        const found = lanes.find((each) => each.lane === lane && each.instances > 0);
        if (found === undefined) return [];
        const { instances, usable, ends, isEnded } = found;
        return [{ service: plan.service, datacenter, instances, usable, ends, isEnded }];
      });
      const named = own.flatMap(({ plan, lanes }) =>
        lanes.filter((each) => each.lane === lane).map((each) => ({ ...each, service: plan.service })),
      );
      const ends = named.flatMap((each) => each.ends ?? []).sort();
      return {
        lane,
        by,
        services,
        fallback: own
          .filter(
            ({ plan, datacenter }) =>
              !services.some((each) => each.service === plan.service && each.datacenter === datacenter),
          )
          .map(({ plan, datacenter }) => ({ service: plan.service, datacenter, to: fallbackOf(plan) })),
        ends: ends[0],
        endedIn: named.filter(({ isEnded }) => isEnded).map(({ service }) => service),
      };
    });
}

/** Where calls of a lane go that has no instance of the service. */
function fallbackOf({ lanes }: Plan): string {
  const [first] = lanes?.dimensions ?? [];
  if (first?.strict === true) return 'fails (strict)';
  return first?.fallback?.destination.subset ?? 'as the routes say';
}

function shown({ service, instances, usable }: LaneOfService): string {
  return `${service} ${usable} of ${instances}`;
}

function describeEnd({ ends, endedIn }: ListedLane): string {
  if (ends === undefined) return 'never';
  return endedIn.length === 0 ? ends : `${ends}, ended in ${endedIn.join(', ')}`;
}
