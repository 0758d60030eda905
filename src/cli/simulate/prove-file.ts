import type { SourceText } from '../../ops/imports/sources';
import type { Proof, ProofDifference } from '../../ops/proof/prove';
import type { Plan } from '../../policy/plan';
import { CommandError } from '../command';
import { describeCount } from '../describe';
import type { CommandIo } from '../io';
import { findFiles, readText } from '../policy-files';

const KIND =
  /(?:^|[\s{,"'])kind["']?\s*[:=]\s*["']?(?:VirtualService|DestinationRule|HTTPRoute|GRPCRoute|service-?(?:router|splitter|resolver))\b/im;

/** The texts of a file or a folder that holds rules of another system; undefined for a policy, and for stdin. */
export async function readForeign(path: string): Promise<readonly SourceText[] | undefined> {
  if (path === '-') return undefined;
  const texts: SourceText[] = [];
  for (const file of await findFiles([path], /\.(?:ya?ml|json|hcl)$/i))
    texts.push({ file, text: await readText(file) });
  return texts.some(({ text }) => KIND.test(text)) ? texts : undefined;
}

/**
 * `simulate --against` a file with rules of another system: whether a policy says what they say. Calls that differ
 * where an import tells a loss are counted apart; the command ends with 1 when others differ.
 */
export async function proveAgainst(
  plan: Plan,
  texts: readonly SourceText[],
  { calls, seed }: { readonly calls: number; readonly seed: number },
  io: CommandIo,
): Promise<void> {
  // What evaluates rules of others is loaded by whoever asks for it.
  const { readForeignRules } = await import('../../ops/proof/foreign-rules.js');
  const { prove } = await import('../../ops/proof/prove.js');
  const files = texts.map(({ file }) => file).join(', ');
  const foreign = readForeignRules(texts, plan);
  if ('fault' in foreign) {
    throw new CommandError(2, `--against: ${files}: ${foreign.fault}`, `check that it has rules for ${plan.service}`);
  }
  const proof = prove({ ...foreign, plan, calls, seed });
  if (proof.untold > 0) io.exitCode = 1;
  io.json({ service: plan.service, against: texts.map(({ file }) => file), ...proof, losses: foreign.losses });
  if (!io.asJson) await showProof(plan.service, files, proof, io);
}

async function showProof(service: string, files: string, proof: Proof, io: CommandIo): Promise<void> {
  const { calls, agreed, told, untold, differences } = proof;
  const { bold, red, green } = io.colors;
  io.line(`${bold(service)}  ${describeCount(calls)} calls, made up around the conditions of ${files}`);
  io.line(`${describeCount(agreed)} agree`);
  io.line(`${describeCount(told)} differ where an import tells it`);
  io.line((untold === 0 ? green : red)(`${describeCount(untold)} differ otherwise`));
  if (differences.length === 0) return;
  io.line();
  await io.table<ProofDifference>(differences, {
    rule: ({ rule }) => rule ?? 'no rule',
    'route here': ({ route }) => route,
    'by the rule': ({ expected }) => expected,
    here: ({ found }) => found,
    calls: (each) => describeCount(each.calls),
    told: ({ isTold }) => (isTold ? 'yes' : 'no'),
  });
}
