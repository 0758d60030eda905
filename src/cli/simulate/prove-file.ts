import type { SourceText } from '../../ops/imports/sources';
import { readForeignRules } from '../../ops/proof/foreign-rules';
import { type Proof, type ProofDifference, prove } from '../../ops/proof/prove';
import type { Plan } from '../../policy/plan';
import { CommandError } from '../command';
import type { CommandIo } from '../io';

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
  io.line(`${bold(service)}  ${count(calls)} calls, made up around the conditions of ${files}`);
  io.line(`${count(agreed)} agree`);
  io.line(`${count(told)} differ where an import tells it`);
  io.line((untold === 0 ? green : red)(`${count(untold)} differ otherwise`));
  if (differences.length === 0) return;
  io.line();
  await io.table<ProofDifference>(differences, {
    rule: ({ rule }) => rule ?? 'no rule',
    'route here': ({ route }) => route,
    'by the rule': ({ expected }) => expected,
    here: ({ found }) => found,
    calls: (each) => count(each.calls),
    told: ({ isTold }) => (isTold ? 'yes' : 'no'),
  });
}

function count(value: number): string {
  return value.toLocaleString('en');
}
