import { readFile } from 'node:fs/promises';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import type { ExplainedTier, Explanation } from '../../client/admin/explain';
import { parseInstancesText } from '../../client/discovery/instances-text';
import type { StaticInstance } from '../../client/discovery/static-instance';
import type { GraylaneOptions } from '../../client/options';
import { CASE_METHOD } from '../../policy/routing/policy-case';
import { CommandError, codeOf } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { noteUnregistered, watchService } from '../consul/watched-service';
import { describeEndpoint, describeLimit, describeZones } from '../describe';
import { policySourceOf } from '../flags';
import type { CommandIo } from '../io';
import { loadPolicy } from '../policy-files';

interface ExplainFlags extends ConsulFlags {
  readonly method?: string;
  readonly label: Readonly<Record<string, string>>;
  readonly stickyKey?: string;
  readonly caller?: string;
  readonly policy?: string;
  readonly instances?: string;
  readonly seed?: number;
}

/** `explain`. */
export async function explainCall(service: string, flags: ExplainFlags, io: CommandIo): Promise<void> {
  const { method = CASE_METHOD, label, stickyKey, seed } = flags;
  const options = await optionsOf(service, flags, io);
  const watched = await watchService({ service, options, ...defined({ seed }) }, flags, io);
  try {
    const request = { method, labels: label, ...defined({ stickyKey }) };
    const explanation = watched.graylane.explain(service, request);
    const canServe = isServable(explanation);
    if (!canServe) io.exitCode = 1;
    const policy = watched.graylane.inspect().services[0]?.policy;
    io.json({ ...explanation, canServe, rejected: policy?.rejected ?? null });
    if (!io.asJson) {
      await showExplanation(explanation, io);
      io.note('breakers are those of this command, which makes no calls; graylane inspect shows those of a process');
    }
    if (!canServe) {
      noteRefusal(explanation, io);
      if (flags.instances === undefined) await noteUnregistered(watched.snapshot, flags, io);
    }
    const [problem] = policy?.rejected?.problems ?? [];
    if (problem !== undefined) io.note(`a newer policy was refused and is not in force: ${problem.message}`);
  } finally {
    await watched.close();
  }
}

async function optionsOf(service: string, flags: ExplainFlags, io: CommandIo): Promise<GraylaneOptions> {
  const source = policySourceOf(flags.policy);
  if (source !== undefined && flags.instances !== undefined) {
    throw new CommandError(2, `--policy: ${source} beside --instances (expected: a file, as no Consul is asked)`);
  }
  const file = source === undefined ? flags.policy : undefined;
  const policy = file === undefined ? undefined : (await loadPolicy(file, io, service)).document;
  const instances = flags.instances === undefined ? undefined : await readInstancesFile(flags.instances);
  const policies = policy === undefined ? undefined : { [service]: policy };
  return defined({ policy: source, policies, instances, serviceName: flags.caller });
}

function isServed({ endpoints }: ExplainedTier): boolean {
  return endpoints.some(({ heldOut }) => heldOut === undefined);
}

/** As text: the decision, each route, and who could serve. */
export async function showExplanation({ routing, tiers }: Explanation, io: CommandIo): Promise<void> {
  const { colors } = io;
  const { decision, sticky, bucket, routes, override, lane } = routing;
  const matched = decision.by === 'route' ? routes.find(({ result }) => result === 'matched') : undefined;
  const split = matched?.split ?? [];
  const revision = routing.revision === 'none' ? 'no policy' : `revision ${routing.revision}`;
  io.line(`${colors.bold(routing.service)} ${routing.method}  ${revision}`);
  io.line(
    `-> ${colors.bold(colors.green(decision.subset))} by ${decision.by} ${decision.route}${decision.strict ? ', strict' : ''}`,
  );
  if (split.length > 1) {
    const shares = split.map(({ to, percent }) => `${to} ${percent} %`).join(', ');
    const how = sticky ? 'by a sticky value' : 'by chance: the next call may go elsewhere';
    io.line(`   ${how}${bucket === undefined ? '' : `, bucket ${bucket} of 10000`}: ${shares}`);
  }
  if (decision.chain.length > 1) io.line(`   falls back to ${decision.chain.slice(1).join(', then ')}`);
  io.line(`   runs ${decision.runs}`);
  if (lane !== undefined) io.line(`   lane ${lane.asked}: ${lane.reason ?? lane.result}`);
  for (const [of, changes] of [
    ['request', decision.requestHeaders],
    ['response', decision.responseHeaders],
  ] as const) {
    if (changes !== undefined) io.line(`   headers of the ${of}: ${changes.join(', ')}`);
  }
  if (decision.mirror !== undefined) io.line(`   ${describeMirror(decision.mirror)}`);
  if (override !== undefined) {
    const until = override.until === undefined ? '' : ` until ${override.until}`;
    io.line(
      `   override ${override.inForce ? `in force${until}` : 'has ended'}: ${override.reason ?? 'no reason given'}`,
    );
  }
  for (const { name, effect, until, reason } of routing.faults ?? []) {
    io.line(
      `   ${colors.yellow(`fault ${name}`)} until ${until}: ${effect}${reason === undefined ? '' : `; ${reason}`}`,
    );
  }
  const seen = Object.entries(routing.labels).map(([key, value]) => `${key}=${value ?? '(missing)'}`);
  if (seen.length > 0) io.line(`   labels looked at: ${seen.join(' ')}`);
  if (routes.length > 0) {
    io.line();
    await io.table(routes, {
      route: ({ name }) => name,
      result: ({ result }) => result,
      why: ({ reason }) => reason,
    });
  }
  io.line();
  const rows = tiers.flatMap((tier) =>
    (tier.endpoints.length === 0 ? [undefined] : tier.endpoints).map((endpoint) => ({ tier, endpoint })),
  );
  await io.table(rows, {
    tier: ({ tier }) => tier.number,
    subset: ({ tier }) => `${tier.subset}${KINDS[tier.kind]}`,
    datacenter: ({ tier }) => tier.datacenter,
    endpoint: ({ endpoint: each }) => (each === undefined ? '(none)' : describeEndpoint(each.endpoint, each.portName)),
    instance: ({ endpoint }) => endpoint?.instance,
    health: ({ endpoint }) => endpoint?.status,
    weight: ({ endpoint }) => endpoint?.weight,
    breaker: ({ tier: { shed }, endpoint }) =>
      endpoint && (shed === undefined ? (endpoint.breaker?.state ?? 'closed') : `subset ${shed.state}`),
    'held out': ({ tier, endpoint }) => endpoint && (endpoint.heldOut ?? tier.shed?.openedBecause),
  });
  for (const [at, { subset, datacenter, keeps }] of tiers.entries()) {
    const isPassedOn =
      keeps > 0 && keeps < 1 && tiers.slice(at + 1).some((next) => next.kind === 'listed' && isServed(next));
    if (isPassedOn)
      io.line(`   ${subset} in ${datacenter} keeps ${Math.round(100 * keeps)} %, the next tier gets the rest`);
  }
  for (const limit of new Set(tiers.map((tier) => tier.limit))) {
    if (limit !== undefined) io.line(`   ${describeLimit(limit)}`);
  }
  for (const { subset, zones } of tiers) if (zones !== undefined) io.line(`   ${subset}: ${describeZones(zones)}`);
}

type ExplainedMirror = NonNullable<Explanation['routing']['decision']['mirror']>;

function describeMirror({ to, percent, compare, skipped }: ExplainedMirror): string {
  if (skipped !== undefined) return `not mirrored to ${to}: ${skipped}`;
  return `mirrored to ${to}${percent < 100 ? `, ${percent} % of such calls` : ''}; answers compared: ${compare}`;
}

/** Whether an instance could serve the call. */
export function isServable({ refusal, tiers }: Explanation): boolean {
  return refusal === undefined && tiers.some(isServed);
}

export function noteRefusal({ refusal }: Explanation, io: CommandIo): void {
  if (refusal !== undefined) io.note(`calls are refused: ${refusal}`);
  else io.note('nobody could serve this call; run graylane instances to see who is there');
}

const KINDS = { listed: '', draining: ' (weight 0)', absent: ' (vanished)' } as const;

/** Lists of instances by service name; the Graylane client checks each. Throws a CommandError. */
async function readInstancesFile(file: string): Promise<Readonly<Record<string, readonly StaticInstance[]>>> {
  try {
    return parseInstancesText(await readFile(file, 'utf8'), file) as Readonly<
      Record<string, readonly StaticInstance[]>
    >;
  } catch (error) {
    const isWrong = error instanceof GraylaneError;
    const what = isWrong ? error.message : `${codeOf(error)} (expected: lists of instances by service name)`;
    throw new CommandError(2, `${file}: ${what}`, 'see docs/simulate.md');
  }
}
