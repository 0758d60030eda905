import type { Command } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

export function policyTestCommand(io: CommandIo): Command {
  return defineCommand('test', {
    summary: 'hold a policy file against a table of calls and expected subsets',
    description:
      'Decides each call of a table and compares. A case has labels, method or stickyKey, and expects subset, route or ' +
      'shares (percent by subset). Ends with 1 when a case does not hold.',
    examples: [
      ['graylane policy test payments.yaml payments.cases.yaml', 'in a CI job, before it is applied'],
      [
        'graylane policy test payments.yaml cases.json --at 2026-12-01T10:00:00Z',
        'as if an override had to be judged then',
      ],
    ],
  })
    .argument('<file>', 'the policy, YAML or JSON; - is standard input')
    .argument('<cases>', 'a list of cases, YAML or JSON')
    .option('--at <time>', 'time that an override is held against, RFC 3339; default: now')
    .action(async (file: string, cases: string, flags: { readonly json?: boolean; readonly at?: string }) => {
      const { testPolicyFile } = await import('../test-file.js');
      await testPolicyFile(file, cases, flags, io);
    });
}
