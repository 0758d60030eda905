import { readFile } from 'node:fs/promises';
import type { PolicyProblem } from '../../policy/plan';
import { beginRollout } from '../../rollout/control';
import type { RolloutDocument, RolloutStep } from '../../rollout/document';
import { type JudgedRollout, parseRollout, validateRollout } from '../../rollout/validate';
import { CommandError } from '../command-error';
import { describeInFile } from '../input/policy-file';
import type { CommandIo } from '../io';
import { type RolloutFlags, withRollouts } from './rollout-session';
import { describeStep } from './rollout-view';

export interface StartFlags extends RolloutFlags {
  readonly file?: string;
  readonly weights?: readonly number[];
  readonly pause?: number;
  readonly prometheus?: string;
  readonly clients?: boolean;
  readonly canary: string;
  readonly stable: string;
  readonly dryRun?: boolean;
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
  if (flags.dryRun === true) {
    if (flags.json === true) io.json({ service, outcome: 'planned', document });
    else tellSteps(document, io);
    return;
  }
  await withRollouts(flags, io, async (session) => {
    const { policies, rollouts } = session;
    const by = await session.author();
    const begun = await beginRollout(document, { policies, rollouts, by, now: Date.now });
    if (begun.kind === 'refused') throw new CommandError(1, begun.reason, begun.nextStep);
    const { id } = begun.record.progress;
    if (flags.json === true) {
      io.json({ service, outcome: 'started', id });
      return;
    }
    io.line(`${io.colors.green('started')} ${service}: rollout ${id}`);
    tellSteps(document, io);
    if (JSON.stringify(document).includes('"command":{')) {
      io.note('it names programs: a controller runs them only with --allow-commands');
    }
    if (isJudgedByClients(document)) {
      io.note('clients with reportFigures judge it, through a controller with --listen: it names no provider');
    }
    io.note(`a controller takes it from here: graylane rollout run, or graylane rollout run --once ${service}`);
  });
}

/** Something in it is judged by figures of calls, and no provider is named for them. */
function isJudgedByClients({ steps, analysis }: RolloutDocument): boolean {
  const isWatched = analysis?.background !== false && steps.some((step) => 'pause' in step);
  return analysis?.provider === undefined && (isWatched || steps.some((step) => 'analysis' in step));
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
  if (flags.clients === true && flags.prometheus !== undefined) {
    throw new CommandError(2, '--prometheus, --clients: both given (expected: one of them)', 'leave one out');
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
  const { weights = [], pause, prometheus, clients = false, canary, stable } = flags;
  const isJudged = clients || prometheus !== undefined;
  const steps = weights.flatMap((setWeight): RolloutStep[] => [
    { setWeight },
    ...(isJudged ? [{ analysis: {} }] : []),
    ...(pause === undefined ? [] : [{ pause: { durationMs: pause * 1000 } }]),
  ]);
  const provider = prometheus === undefined ? {} : { provider: { prometheus: { address: prometheus } } };
  const analysis = isJudged ? provider : { background: false };
  return { schema: 1, service, canary, stable, steps, analysis };
}
