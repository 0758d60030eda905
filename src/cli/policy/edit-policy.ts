import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { revisionOfText } from '../../ops/store/history';
import { documentText } from '../../ops/store/policy-text';
import { CommandError } from '../command';
import { readAll, type StoreSession, withStore } from '../consul/store-session';
import { counted } from '../describe';
import { firstPolicyOf } from '../init/first-policy';
import type { CommandIo } from '../io';
import { noteProblems, readPolicyFile } from '../policy-files';
import { type ApplyFlags, applyText, checkApplyFlags } from './apply-files';
import { readable } from './read-policies';

/** `policy edit`. A text that is not written stays in a file. */
export async function editPolicy(
  service: string,
  flags: ApplyFlags & { readonly yes?: boolean },
  io: CommandIo,
): Promise<void> {
  const { yes = false, message = '', dryRun } = flags;
  // Without --yes the command asks for the message.
  checkApplyFlags(yes ? flags : { ...flags, message: message || 'asked later' });
  editorOf(io);
  const found = await withStore(flags, io, (session) => textToEdit(service, session));
  const folder = await mkdtemp(join(tmpdir(), 'graylane-edit-'));
  const file = join(folder, `${service.replace(/[^A-Za-z0-9._-]/g, '-')}.yaml`);
  await writeFile(file, found.text, { mode: 0o600 });
  let isKept = true;
  try {
    const text = await editUntilValid(file, service, found.text, io);
    if (text !== undefined) {
      const ifRevision = flags.ifRevision ?? found.revision;
      const again = `run graylane policy diff ${file}, then graylane policy apply ${file}`;
      const asking = yes || dryRun === true ? undefined : () => confirm(message, io);
      await applyText({ service, text, again }, { ...flags, ifRevision }, io, asking);
    }
    isKept = io.exitCode !== 0;
  } finally {
    if (isKept) io.note(`graylane: your text is kept in ${file}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

/** Datacenters that have different policies have no one text to edit. The revision `none`: there is no policy. */
async function textToEdit(
  service: string,
  session: StoreSession,
): Promise<{ readonly text: string; readonly revision: string }> {
  const readings = await readAll(session, service);
  const texts = readings.flatMap((reading) => ('stored' in reading ? [reading.stored.policy?.text] : []));
  const revisions = new Set(texts.map((text) => (text === undefined ? 'none' : revisionOfText(text))));
  if (revisions.size > 1) {
    const message = `${service}: the datacenters have different policies (expected: one text to edit)`;
    throw new CommandError(1, message, `name one with --dc, or run graylane policy get ${service} --dc all`);
  }
  const [text] = texts;
  if (text === undefined) {
    return { text: await firstPolicyOf(service, session.connection, session.datacenters), revision: 'none' };
  }
  return { text: readable(text), revision: revisionOfText(text) ?? 'none' };
}

/** Undefined: it is as it was. Throws a CommandError when it is not valid, and is to stay so. */
async function editUntilValid(
  file: string,
  service: string,
  before: string,
  io: CommandIo,
): Promise<string | undefined> {
  for (;;) {
    await openEditor(file, io);
    const { document, problems, warnings } = await readPolicyFile(file, service);
    noteProblems(file, warnings, 'warning', io);
    if (document !== undefined) {
      const isSame = (await readFile(file, 'utf8')) === before;
      if (isSame) io.note('unchanged, nothing was written');
      return isSame ? undefined : documentText(document);
    }
    noteProblems(file, problems, 'error', io);
    const answer = await io.ask('Not valid. Edit again? [Y/n] ');
    if (answer === undefined || /^n/i.test(answer.trim())) {
      const count = counted(problems.length, 'problem');
      throw new CommandError(1, `${service}: refused, ${count}; nothing was written`, `mend ${file} and apply it`);
    }
  }
}

/** The editor's command line goes through a shell, as with git: it may have arguments. */
async function openEditor(file: string, io: CommandIo): Promise<void> {
  const editor = editorOf(io);
  const child = spawn(`${editor} "${file}"`, { shell: true, stdio: 'inherit', env: io.env });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) {
    throw new CommandError(1, `${editor} ended with ${code ?? 'a signal'}; nothing was written`, 'check EDITOR');
  }
}

/** Throws a CommandError where the default one would need a terminal that is not there. */
function editorOf({ env, isTerminal }: CommandIo): string {
  const named = [env['VISUAL'], env['EDITOR']].find((each) => each !== undefined && each !== '');
  if (named === undefined && !isTerminal) {
    const next = 'set EDITOR to a program that needs none, or run graylane policy apply FILE';
    throw new CommandError(2, 'no terminal for vi (expected: a terminal, or EDITOR); nothing was written', next);
  }
  return named ?? 'vi';
}

async function confirm(message: string, io: CommandIo): Promise<string | undefined> {
  const answer = await io.ask('Write it? [y/N] ');
  if (answer === undefined) {
    throw new CommandError(2, 'nobody can be asked; nothing was written', 'add --yes and -m MESSAGE');
  }
  if (!/^y/i.test(answer.trim())) return undefined;
  if (message.trim() !== '') return message;
  const why = (await io.ask('Why, for the history: '))?.trim() ?? '';
  return why === '' ? undefined : why;
}
