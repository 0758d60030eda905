import { defined } from '../../base/defined';
import { tryProviders, type Yield } from '../../ops/rollout/analysis/try-providers';
import { isJudgedByClients } from '../../ops/rollout/collector/announcer';
import { CLIENTS, type ControllerConfig, checkNames } from '../../ops/rollout/config/controller-config';
import { beginRollout, refusalToBegin } from '../../ops/rollout/control';
import type { RolloutDocument, RolloutStep } from '../../ops/rollout/document';
import { parseRollout, validateRollout } from '../../ops/rollout/validate';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { ServiceHasNone, withOneStore } from '../consul/store-session';
import { counted } from '../describe';
import type { CommandIo } from '../io';
import { formatOf, noteProblems, readBytes } from '../policy-files';
import { readControllerFile } from './controller-setup';
import { describeStep } from './rollout-view';
import { startRefusal } from './start-refusal';

interface StartFlags extends BeginFlags {
  readonly file?: string;
  readonly weights?: readonly number[];
  readonly pause?: number;
  readonly provider?: string;
  readonly canary: string;
  readonly stable: string;
  readonly dryRun?: boolean;
}

interface BeginFlags extends ConsulFlags {
  /** Of a controller. */
  readonly config?: string;
  /** Why, for the history. */
  readonly message?: string;
  readonly force?: boolean;
}

/** `rollout start`. */
export async function startFromFlags(service: string, flags: StartFlags, io: CommandIo): Promise<void> {
  const document = await readDocument(service, flags, io);
  if (document.service !== service) {
    const message = `service: ${document.service} (expected: ${service})`;
    throw new CommandError(1, message, 'name the service that the file is for');
  }
  const config = await refuseUnknownNames(document, flags, io);
  if (flags.dryRun === true) {
    const asked = config === undefined ? [] : await tryProviders(document, { config, env: process.env }, Date.now());
    io.json({ service, outcome: 'planned', document, ...(config === undefined ? {} : { yields: asked }) });
    if (!io.asJson) {
      showSteps(document, io);
      showYields(asked, io);
    }
    noteNames(document, flags, io);
    if (asked.some(({ fault }) => fault !== undefined)) io.exitCode = 1;
    return;
  }
  await startRollout(document, flags, io);
}

/** Writes down a rollout that is sound, for a controller. */
export async function startRollout(document: RolloutDocument, flags: BeginFlags, io: CommandIo): Promise<void> {
  const { service } = document;
  await withOneStore(flags, io, async (session) => {
    const { policies, rollouts } = session;
    const { policy, history } = await policies.read(service, rollouts.datacenter);
    if (policy === undefined && history.length === 0) {
      throw new ServiceHasNone(
        service,
        rollouts.datacenter,
        `${service} has no policy`,
        'write one with graylane policy apply',
      );
    }
    const by = await session.author();
    const missing = flags.force === true ? undefined : await startRefusal(document, rollouts.datacenter, session);
    if (missing !== undefined) {
      const next = 'see that both are registered and named rightly, or, if it is meant, --force';
      throw new CommandError(1, `refused, nothing was started: ${missing}`, next);
    }
    const why = defined({ reason: flags.message });
    const begun = await beginRollout(document, { policies, rollouts, by, now: Date.now, ...why });
    if (begun.kind === 'refused') throw new CommandError(1, begun.reason, begun.nextStep);
    const { id } = begun.record.progress;
    io.json({ service, outcome: 'started', id });
    if (io.asJson) return;
    io.line(`${io.colors.green('started')} ${service}: rollout ${id}`);
    showSteps(document, io);
    noteNames(document, flags, io);
    if (isWatchedByClients(document)) {
      io.note('clients with reportRolloutMetrics judge it, through a controller with --listen: it names no provider');
    }
    io.note(`a controller takes it from here: graylane rollout run, or graylane rollout run --once ${service}`);
  });
}

/** What would keep a sound rollout from being started now. Writes nothing. */
export async function planRollout(document: RolloutDocument, flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withOneStore(flags, io, async (session) => {
    const refusal = await refusalToBegin(document, { ...session, now: Date.now });
    const missing =
      refusal === undefined ? await startRefusal(document, session.rollouts.datacenter, session) : undefined;
    io.json({ steps: document.steps, refusal: refusal?.reason ?? null, missing: missing ?? null });
  });
}

/**
 * Checks the names of the rollout against the configuration of a controller, where one is given, before anything is
 * written.
 */
async function refuseUnknownNames(
  document: RolloutDocument,
  flags: StartFlags,
  io: CommandIo,
): Promise<ControllerConfig | undefined> {
  if (flags.config === undefined) return undefined;
  const config = await readControllerFile(flags.config, io);
  const problems = checkNames(document, config);
  if (problems.length === 0) return config;
  io.json({ service: document.service, outcome: 'invalid', problems: problems.map((message) => ({ message })) });
  if (!io.asJson) for (const problem of problems) io.note(`${io.colors.red('error')} ${problem}`);
  const next = `name what ${flags.config} has, or have it added there`;
  throw new CommandError(1, `${flags.file ?? 'rollout'}: the controller could not do it; nothing was written`, next);
}

function showYields(asked: readonly Yield[], io: CommandIo): void {
  for (const { what, yields, fault } of asked) {
    const mark = fault === undefined ? io.colors.green('✓') : io.colors.red('✗');
    io.line(`  ${mark} ${what}: ${fault ?? yields}`);
  }
}

/** Without `--config` the names cannot be checked here; the controller looks them up. */
function noteNames(
  { analysis, steps, notify = [], gates = [], deployment }: RolloutDocument,
  { config }: BeginFlags,
  io: CommandIo,
): void {
  if (config !== undefined) return;
  const checks = [analysis, ...steps.map((step) => ('analysis' in step ? step.analysis : undefined))];
  const named = checks.flatMap((each) =>
    (each?.checks ?? []).flatMap((one) => ('provider' in one ? one.provider : [])),
  );
  const providers = [...new Set([analysis?.provider ?? CLIENTS, ...named])].filter((name) => name !== CLIENTS);
  const asked = [...gates, ...steps.filter((step) => 'gate' in step)].map(({ gate }) => `gate ${gate}`);
  const hooks = notify.map((name) => `hook ${name}`);
  const deployments = deployment === undefined ? [] : [`deployment ${deployment}`];
  const names = [...providers.map((name) => `provider ${name}`), ...hooks, ...new Set(asked), ...deployments];
  if (names.length === 0) return;
  io.note(`looked up by the controller (graylane rollout run --config): ${names.join(', ')}; --config checks it here`);
}

/** The rollout is judged by reports of clients. */
function isWatchedByClients(document: RolloutDocument): boolean {
  const { steps, analysis } = document;
  const isWatched = analysis?.background !== false && steps.some((step) => 'pause' in step);
  return isJudgedByClients({ document }) && (isWatched || steps.some((step) => 'analysis' in step));
}

function showSteps(document: RolloutDocument, io: CommandIo): void {
  for (const [at, step] of document.steps.entries()) io.line(`  ${at + 1}  ${describeStep(step, document)}`);
}

async function readDocument(service: string, flags: StartFlags, io: CommandIo): Promise<RolloutDocument> {
  const { file, weights } = flags;
  if ((file === undefined) === (weights === undefined)) {
    const given = file === undefined ? 'neither given' : 'both given';
    throw new CommandError(2, `--file, --weights: ${given} (expected: one of them)`, 'add --file rollout.yaml');
  }
  const own = file === undefined ? validateRollout(fromFlags(service, flags)) : undefined;
  const judged = own ?? parseRollout(await readBytes(file ?? ''), formatOf(file ?? ''));
  if (judged.document !== undefined) return judged.document;
  io.json({ service, outcome: 'invalid', problems: judged.problems });
  if (!io.asJson) noteProblems(file, judged.problems, 'error', io);
  const count = counted(judged.problems.length, 'problem');
  throw new CommandError(1, `${file ?? 'rollout'}: refused, ${count}; nothing was written`, 'mend it and start again');
}

function fromFlags(service: string, flags: StartFlags): unknown {
  const { weights = [], pause, provider, canary, stable } = flags;
  const isJudged = provider !== undefined;
  const steps = weights.flatMap((setWeight): RolloutStep[] => [
    { setWeight },
    ...(isJudged ? [{ analysis: {} }] : []),
    ...(pause === undefined ? [] : [{ pause: { durationMs: pause * 1000 } }]),
  ]);
  const analysis = isJudged ? { provider } : { background: false };
  return { schema: 1, service, canary, stable, steps, analysis };
}
