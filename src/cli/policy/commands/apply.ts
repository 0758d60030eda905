import type { Command } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';
import { type ApplyFlags, applySettings, withApplyFlags } from './apply-flags';

export function policyApplyCommand(io: CommandIo): Command {
  const command = defineCommand('apply', {
    summary: 'check policy files, show what they change, write them to Consul',
    description:
      'Checks policy files, shows what they change, and writes each policy and its history entry in one transaction, if ' +
      'Consul still has what was read. Of a folder, every *.yaml, *.yml and *.json below it. Everything is checked before ' +
      'anything is written. Refuses what reshuffles sticky callers, weights that the healthy instances cannot carry, and ' +
      'what leaves a subset in use without instances, with far fewer than now, or with those of another one.',
    examples: [
      ["graylane policy apply payments.yaml -m 'canary to 25 %'", "into the agent's own datacenter"],
      ["graylane policy apply payments.yaml -m 'canary to 25 %' --dc all", 'into every datacenter; says which took it'],
      [
        "graylane policy apply payments.yaml -m 'canary to 25 %' --wait 30s --prometheus http://prometheus:9090",
        'and ends when every process follows, or after 30 s with 1, naming who does not',
      ],
      ["graylane policy apply policies/ -m 'new labels'", 'all of a folder; says of each service what became of it'],
      ['graylane policy apply payments.yaml --dry-run', 'only shows what it would change, and what speaks against it'],
    ],
  });
  return withApplyFlags(command)
    .argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')
    .action(async (files: readonly string[], flags: ApplyFlags) => {
      const settings = applySettings(flags);
      const { applyFiles } = await import('../apply-files.js');
      await applyFiles(files, settings, io);
    });
}
