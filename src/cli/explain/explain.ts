import type { Command } from 'commander';
import { defineCommand } from '../command';
import { withConsul } from '../consul/consul-connection';
import { parseLabel, parseMethod, parseWhole } from '../flags';
import type { CommandIo } from '../io';
import type { ExplainFlags } from './explain-call';

export function explainCommand(io: CommandIo): Command {
  const command = defineCommand('explain', {
    summary: 'tell why a call would go where it would go',
    description:
      'Decides a call as a client would, without making it: the route, why each earlier one did not match, the bucket, the ' +
      'subset, and who could serve, in the order of failover. Ends with 1 when nobody could.',
    examples: [
      ['graylane explain payments --method /shop.v1.Payments/Charge --label x-gray=canary', 'against Consul'],
      [
        'graylane explain payments --policy next.yaml --label x-user-id=u-42',
        "a file's policy over Consul's instances",
      ],
      ['graylane explain payments --policy chain --label x-gray=canary', "by Consul's config entries"],
      ['graylane explain payments --policy p.yaml --instances i.yaml --json', 'offline, for a script'],
    ],
  });
  return withConsul(command, 'datacenters, the local one first, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .option('--method <path>', '/package.Service/Method', parseMethod)
    .option('--label <key=value>', 'a label of the call; may be given several times', parseLabel, {})
    .option('--sticky-key <value>', 'takes the place of the label that a route sticks by')
    .option(
      '--policy <source>',
      "chain (Consul's config entries), kv (its document), auto (what clients take), or a file instead of Consul's",
    )
    .option(
      '--instances <file>',
      "instances instead of Consul's, lists by service name in YAML or JSON; asks no Consul",
    )
    .option('--seed <n>', 'seeds what goes by chance; default: chance', parseWhole)
    .action(async (service: string, flags: ExplainFlags) => {
      const { explainCall } = await import('./explain-call.js');
      await explainCall(service, flags, io);
    });
}
