import type { Command } from 'commander';
import { defineCommand } from '../define-command';
import { checkSources, parseService, withFleetSources } from '../fleet/fleet';
import type { FleetSources } from '../fleet/report';
import type { CommandIo } from '../io';

export interface TopFlags extends FleetSources {
  readonly json?: boolean;
}

export function topCommand(io: CommandIo): Command {
  const command = defineCommand('top', {
    summary: 'show calls, failures and breakers of all processes, live',
    description:
      'Adds up what the processes of a fleet tell of their services: by subset the endpoints, calls under way, attempts that ' +
      'failed and breakers that are not closed. Processes are found as graylane fleet finds them. Drawn anew each second on a ' +
      'terminal until q; once in a pipe.',
    examples: [
      ['graylane top --prometheus http://prometheus:9090', 'all that Prometheus scrapes, over the last minute'],
      ['graylane top payments --url http://10.0.0.7:9465 --url http://10.0.0.8:9465', 'one service in these two'],
    ],
  });
  return withFleetSources(command)
    .argument('[service]', 'only this one', parseService)
    .action(async (service: string | undefined, flags: TopFlags) => {
      checkSources(flags);
      const { showTop } = await import('./show-top.js');
      await showTop(service, flags, io);
    });
}
