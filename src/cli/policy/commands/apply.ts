import type { Command } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';
import { type ApplyFlags, applySettings, withApplyFlags } from './apply-flags';

export function policyApplyCommand(io: CommandIo): Command {
  const command = defineCommand('apply', {
    summary: 'check a policy file, show what it changes, write it to Consul',
    description:
      'Checks a policy file, shows what it changes, and writes policy and history entry in one transaction, if Consul ' +
      'still has what was read. Refuses what reshuffles sticky callers, weights that the healthy instances cannot carry, and ' +
      'what leaves a subset in use without instances, with far fewer than now, or with those of another one.',
    examples: [
      ["graylane policy apply payments.yaml -m 'canary to 25 %'", "into the agent's own datacenter"],
      ["graylane policy apply payments.yaml -m 'canary to 25 %' --dc all", 'into every datacenter; says which took it'],
      [
        "graylane policy apply payments.yaml -m 'canary to 25 %' --wait 30s --prometheus http://prometheus:9090",
        'and ends when every process follows, or after 30 s with 1, naming who does not',
      ],
      ['graylane policy apply payments.yaml --dry-run', 'only shows what it would change, and what speaks against it'],
    ],
  });
  return withApplyFlags(command)
    .argument('<file>', 'YAML or JSON; - is standard input')
    .action(async (file: string, flags: ApplyFlags) => {
      const settings = applySettings(flags);
      const { applyFile } = await import('../apply-file.js');
      await applyFile(file, settings, io);
    });
}
