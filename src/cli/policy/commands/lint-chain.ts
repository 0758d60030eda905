import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

export interface LintChainFlags extends ConsulFlags {
  readonly json?: boolean;
}

export function policyLintChainCommand(io: CommandIo): Command {
  const command = defineCommand('lint-chain', {
    summary: "tell which fields of Consul's config entries are not honoured",
    description:
      "Reads a service's discovery chain, which Consul compiles from its routers, splitters and resolvers, and tells every " +
      'field that clients of this library refuse, leave out or serve otherwise, and why. Ends with 1 if there are any.',
    examples: [
      ['graylane policy lint-chain payments', 'before targets get ?policy=chain'],
      ['graylane policy lint-chain payments --dc all --json', 'in every datacenter, for a CI job'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .action(async (service: string, flags: LintChainFlags) => {
      const { lintChain } = await import('../lint-chain.js');
      await lintChain(service, flags, io);
    });
}
