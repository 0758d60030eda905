import { readFile } from 'node:fs/promises';
import { judgeEffect } from '../../ops/effect/effect';
import { isJudgedByClients } from '../../ops/rollout/collector/counted-window';
import { checkNames } from '../../ops/rollout/config/check-names';
import { CLIENTS } from '../../ops/rollout/config/controller-config';
import { beginRollout } from '../../ops/rollout/control';
import type { RolloutDocument, RolloutStep } from '../../ops/rollout/document';
import { type JudgedRollout, parseRollout, validateRollout } from '../../ops/rollout/validate';
import { compilePolicy } from '../../policy/compile';
import type { Plan, PolicyProblem } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { CommandError } from '../command-error';
import { readRegistryView } from '../consul/registry-view';
import { describeInFile } from '../input/policy-file';
import type { CommandIo } from '../io';
import { readControllerFile } from './controller-file';
import { type RolloutFlags, type RolloutSession, withRollouts } from './rollout-session';
import { describeStep } from './rollout-view';

export interface StartFlags extends RolloutFlags {
  readonly file?: string;
  readonly weights?: readonly number[];
  readonly pause?: number;
  readonly provider?: string;
  readonly config?: string;
  readonly canary: string;
  readonly stable: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** `rollout start`. */
export async function startFromFlags(service: string, flags: StartFlags, io: CommandIo): Promise<void> {
  const document = await readDocument(service, flags, io);
  if (document.service !== service) {
    throw new CommandError(
      1,
      `service: ${document.service} (expected: ${service})`,
      'name the service that the file is for',
    );
  }
  await refuseUnknownNames(document, flags, io);
  if (flags.dryRun === true) {
    if (flags.json === true) io.json({ service, outcome: 'planned', document });
    else tellSteps(document, io);
    tellNames(document, flags, io);
    return;
  }
  await withRollouts(flags, io, async (session) => {
    const { policies, rollouts } = session;
    const by = await session.author();
    if (flags.force !== true) await refuseHollow(document, session);
    const begun = await beginRollout(document, { policies, rollouts, by, now: Date.now });
    if (begun.kind === 'refused') throw new CommandError(1, begun.reason, begun.nextStep);
    const { id } = begun.record.progress;
    if (flags.json === true) {
      io.json({ service, outcome: 'started', id });
      return;
    }
    io.line(`${io.colors.green('started')} ${service}: rollout ${id}`);
    tellSteps(document, io);
    tellNames(document, flags, io);
    if (isWatchedByClients(document)) {
      io.note('clients with reportRolloutMetrics judge it, through a controller with --listen: it names no provider');
    }
    io.note(`a controller takes it from here: graylane rollout run, or graylane rollout run --once ${service}`);
  });
}

/** Held against the file of a controller, where one is given: what it cannot do is told before anything is started. */
async function refuseUnknownNames(document: RolloutDocument, flags: StartFlags, io: CommandIo): Promise<void> {
  if (flags.config === undefined) return;
  const problems = checkNames(document, await readControllerFile(flags.config, io));
  if (problems.length === 0) return;
  if (flags.json === true) {
    io.json({ service: document.service, outcome: 'invalid', problems: problems.map((message) => ({ message })) });
  } else for (const problem of problems) io.note(`${io.colors.red('error')} ${problem}`);
  const next = `name what ${flags.config} has, or have it added there`;
  throw new CommandError(1, `${flags.file ?? 'rollout'}: the controller could not do it; nothing was written`, next);
}

/** Whoever starts a rollout may not know what its controller has; the names are looked up there. */
function tellNames({ analysis, steps, notify = [] }: RolloutDocument, { config }: StartFlags, io: CommandIo): void {
  if (config !== undefined) return;
  const checks = [analysis, ...steps.map((step) => ('analysis' in step ? step.analysis : undefined))];
  const named = checks
    .flatMap((each) => each?.checks ?? [])
    .flatMap((each) => ('provider' in each ? each.provider : []));
  const providers = [...new Set([analysis?.provider ?? CLIENTS, ...named])].filter((name) => name !== CLIENTS);
  const names = [...providers.map((name) => `provider ${name}`), ...notify.map((name) => `hook ${name}`)];
  if (names.length === 0) return;
  io.note(`looked up by the controller (graylane rollout run --config): ${names.join(', ')}; --config checks it here`);
}

/** A rollout raises a subset against another: both must be there, and not be the same instances. */
async function refuseHollow(
  { service, canary, stable }: RolloutDocument,
  { connection, policies }: RolloutSession,
): Promise<void> {
  const { policy } = await policies.read(service, undefined);
  const plan = policy === undefined ? undefined : compileStored(service, policy.text);
  // What is wrong with the policy itself is told where the rollout is held against it.
  if (plan === undefined) return;
  const judged = { service, datacenter: undefined };
  const view = await readRegistryView(connection, judged, [plan]);
  const paths = [canary, stable].map((name) => `subsets.${name}`);
  const wallNowMs = Date.now();
  const { findings } = judgeEffect({
    before: plan,
    after: plan,
    view: { ...view, alsoUsed: [canary, stable] },
    wallNowMs,
  });
  const harms = findings.filter(({ path, subset }) => paths.includes(path) || paths.includes(`subsets.${subset}`));
  if (harms.length === 0) return;
  const texts = [...new Set(harms.map(({ text }) => text))].join('; ');
  const next = 'see that both are registered, or, if it is meant, --force';
  throw new CommandError(1, `refused, nothing was started: ${texts}`, next);
}

function compileStored(service: string, text: string): Plan | undefined {
  try {
    return compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv' });
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

/** Something in it is judged by figures of calls, and no provider is named for them. */
function isWatchedByClients(document: RolloutDocument): boolean {
  const { steps, analysis } = document;
  const isWatched = analysis?.background !== false && steps.some((step) => 'pause' in step);
  return isJudgedByClients({ document }) && (isWatched || steps.some((step) => 'analysis' in step));
}

function tellSteps(document: RolloutDocument, io: CommandIo): void {
  for (const [at, step] of document.steps.entries()) io.line(`  ${at + 1}  ${describeStep(step, document)}`);
}

async function readDocument(service: string, flags: StartFlags, io: CommandIo): Promise<RolloutDocument> {
  const { file, weights } = flags;
  if ((file === undefined) === (weights === undefined)) {
    const given = file === undefined ? 'neither given' : 'both given';
    throw new CommandError(2, `--file, --weights: ${given} (expected: one of them)`, 'add --file rollout.yaml');
  }
  const judged = file === undefined ? validateRollout(fromFlags(service, flags)) : await fromFile(file);
  if (judged.document !== undefined) return judged.document;
  if (flags.json === true) io.json({ service, outcome: 'invalid', problems: judged.problems });
  else for (const problem of judged.problems) io.note(`${io.colors.red('error')} ${where(file, problem)}`);
  const count = judged.problems.length === 1 ? '1 problem' : `${judged.problems.length} problems`;
  throw new CommandError(1, `${file ?? 'rollout'}: refused, ${count}; nothing was written`, 'mend it and start again');
}

function where(file: string | undefined, problem: PolicyProblem): string {
  return file === undefined ? problem.message : describeInFile(file, problem);
}

async function fromFile(file: string): Promise<JudgedRollout> {
  const format = file.endsWith('.json') ? 'json' : 'yaml';
  try {
    return parseRollout(await readBytes(file), format);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(2, `--file: ${file}: ${code} (expected: a file that can be read)`, 'check its name');
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  if (file !== '-') return await readFile(file);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks);
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
