import type { Command } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';
import { type ApplyFlags, applySettings, withApplyFlags } from './apply-flags';

interface EditFlags extends ApplyFlags {
  readonly yes?: boolean;
}

const TO_BE_ASKED = 'asked later';

export function policyEditCommand(io: CommandIo): Command {
  const command = defineCommand('edit', {
    summary: 'edit a policy, see what changes, and write it',
    description:
      'Opens the policy that is in force as YAML in VISUAL or EDITOR (default: vi), checks it, shows what it changes, asks, ' +
      'and writes it as policy apply does. A service without a policy begins with what graylane init proposes. A text that ' +
      'is not written is kept in a file.',
    examples: [
      ['graylane policy edit payments', 'asks for the message of the history'],
      ["EDITOR='code --wait' graylane policy edit payments -m 'testers first'", 'with another editor'],
      ["EDITOR='sed -i s/x-gray/x-lane/' graylane policy edit payments --yes -m 'new label'", 'without a terminal'],
    ],
  });
  return withApplyFlags(command)
    .argument('<service>')
    .option('-y, --yes', 'do not ask; needs -m')
    .action(async (service: string, flags: EditFlags) => {
      const { yes = false, ...rest } = flags;
      // Without --yes, somebody is asked for it.
      const settings = applySettings(yes ? rest : { ...rest, message: rest.message ?? TO_BE_ASKED });
      const { editPolicy } = await import('../edit-policy.js');
      await editPolicy(service, { ...settings, message: rest.message ?? '' }, yes, io);
    });
}
