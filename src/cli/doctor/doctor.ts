import type { Command } from 'commander';
import { withConsul } from '../consul/consul-connection';
import { defineCommand } from '../define-command';
import type { CommandIo } from '../io';
import type { DoctorFlags } from './run-doctor';

export function doctorCommand(io: CommandIo): Command {
  const command = defineCommand('doctor', {
    summary: 'look for what commonly goes wrong, and say what to do',
    description:
      'Asks Consul (reachable, its clock), the token (which right is missing: Consul answers an empty list where one would ' +
      'expect a refusal), the policies, and looks for second copies of grpc-js. Ends with 1 when a problem was found.',
    examples: [
      ['graylane doctor payments orders', 'two services'],
      ['graylane doctor', 'all services that have a policy'],
      ['graylane doctor payments --tree /srv/app --json', 'with the node_modules of an application'],
    ],
  });
  return withConsul(command)
    .argument('[service...]', 'names in Consul; default: those with a policy')
    .option('--tree <folder>', 'where to look for copies of grpc-js; default: the current folder')
    .action(async (services: readonly string[], flags: DoctorFlags) => {
      const { runDoctor } = await import('./run-doctor.js');
      await runDoctor(services, flags, io);
    });
}
