import { type Command, Option } from 'commander';
import { defineCommand } from '../command';
import { withConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import type { DoctorFlags } from './run-doctor';

export function doctorCommand(io: CommandIo): Command {
  const command = defineCommand('doctor', {
    summary: 'look for what commonly goes wrong, and say what to do',
    description:
      'Asks Consul (reachable, its clock), the token (which right is missing: Consul answers an empty list where one would ' +
      'expect a refusal), policies, instances and what the ones do with the others; connects to instances to hear whether they ' +
      'speak HTTP/2; looks at this machine: Node, variables, second copies of grpc-js. Writes nothing. Ends with 1 when a ' +
      'problem was found.',
    examples: [
      ['graylane doctor payments orders', 'two services'],
      ['graylane doctor', 'all services that have a policy'],
      ['graylane doctor payments --tree /srv/app --json', 'with the node_modules of an application'],
      ['graylane doctor payments --role writer', 'may this token run policy apply?'],
      ['graylane doctor payments --policy payments.yaml', 'a process reads its policy from a file'],
    ],
  });
  return withConsul(command)
    .argument('[service...]', 'names in Consul; default: those with a policy')
    .option('--tree <folder>', 'where to look for copies of grpc-js; default: the current folder')
    .addOption(
      new Option('--role <role>', 'what the token is for: clients, policy apply and weight, or rollout run')
        .choices(['reader', 'writer', 'controller'])
        .default('reader'),
    )
    .option('--policy <file>', 'a file in place of the policies in Consul; for one service')
    .option('--state-directory <folder>', 'stateDirectory of the process; default: that of XDG_STATE_HOME')
    .option('--tls', 'clients speak TLS to instances')
    .option('--no-dial', 'do not connect to instances')
    .action(async (services: readonly string[], flags: DoctorFlags) => {
      const { runDoctor } = await import('./run-doctor.js');
      await runDoctor(services, flags, io);
    });
}
