import type { Command } from 'commander';
import { CommandError, defineCommand } from '../command';
import { withConsul } from '../consul/consul-connection';
import { parseHttpUrl, parseHttpUrls, parseService } from '../flags';
import type { CommandIo } from '../io';
import type { FleetFlags, FleetSources } from './report';

export function fleetCommand(io: CommandIo): Command {
  const command = defineCommand('fleet', {
    summary: 'list which processes follow the policy, and who is behind and why',
    description:
      'Compares the policy that each process goes by with the one in Consul. Processes are found in Prometheus, by the ' +
      'gauges that Graylane clients report, or asked one by one at their graylane.adminHandler(). Ends with 1 when somebody is behind, or ' +
      'when nobody is there.',
    examples: [
      ['graylane fleet payments --prometheus http://prometheus:9090', 'all that Prometheus scrapes'],
      ['graylane fleet payments --url http://10.0.0.7:9465 --url http://10.0.0.8:9465', 'these two'],
    ],
  });
  return withFleetSources(withConsul(command, 'datacenters whose policy is meant, with commas; default: all'))
    .argument('<service>', 'name in Consul', parseService)
    .action(async (service: string, flags: FleetFlags) => {
      checkSources(flags);
      const { showFleetOf } = await import('./report.js');
      await showFleetOf(service, flags, io);
    });
}

/** Adds `--prometheus` and `--url`. */
export function withFleetSources(command: Command): Command {
  return command
    .option('--prometheus <url>', 'address of Prometheus, with the path that it is served under', parseHttpUrl)
    .option(
      '--url <url>',
      'where a process has mounted graylane.adminHandler(); may be given several times',
      parseHttpUrls,
    );
}

/** Throws a CommandError unless exactly one of them says who the processes are. */
export function checkSources({ prometheus, url = [] }: FleetSources): void {
  const isOne = (prometheus !== undefined) !== url.length > 0;
  if (isOne) return;
  const problem = prometheus === undefined ? 'missing' : 'with --url';
  throw new CommandError(2, `--prometheus: ${problem} (expected: --prometheus URL, or --url URL for each process)`);
}
