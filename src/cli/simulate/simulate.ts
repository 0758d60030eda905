import type { Command } from 'commander';
import { defineCommand } from '../command';
import { withConsul } from '../consul/consul-connection';
import { parseWhole, policySourceOption } from '../flags';
import type { CommandIo } from '../io';
import type { SimulateFlags } from './simulate-file';

export function simulateCommand(io: CommandIo): Command {
  const command = defineCommand('simulate', {
    summary: 'send many calls through a policy file, and see where they go',
    description:
      'Sends calls through a policy by the code that decides real ones: made up to meet every route, or recorded. With ' +
      '--against, tells what a second policy would do with the same calls: who moves, and how many sticky callers are lost, ' +
      'that is, move although nothing asked for it. Ends with 1 if any are.',
    examples: [
      ['graylane simulate payments.yaml', '100,000 calls that are made up'],
      ['graylane simulate now.yaml --against next.yaml --calls 1000000', 'what next.yaml would change'],
      ['graylane simulate payments.yaml --from calls.ndjson', 'calls that recordCalls() wrote'],
      ['graylane simulate payments --policy chain', "the rules of Consul's config entries"],
    ],
  });
  return withConsul(command, 'with --policy: the datacenter whose rules are meant; default: the one of the agent')
    .argument('<file>', 'YAML or JSON; - is standard input; with --policy the name of a service in Consul')
    .addOption(policySourceOption())
    .option('--against <file>', 'a second policy for the same service, which gets the same calls')
    .option('--calls <n>', 'calls to make up; default: 100000', parseWhole)
    .option(
      '--callers <n>',
      'different callers among them; default: a quarter of the calls, at most 100000',
      parseWhole,
    )
    .option('--from <file>', 'recorded calls, a JSON object a line; - is standard input')
    .option('--seed <n>', 'seeds what goes by chance; default: 1', parseWhole)
    .action(async (file: string, flags: SimulateFlags) => {
      const { simulateFile } = await import('./simulate-file.js');
      await simulateFile(file, flags, io);
    });
}
