import type { Command } from 'commander';
import { CommandError, defineCommand } from '../command';
import { parseHttpUrl, parseLabel, parseMethod } from '../flags';
import type { CommandIo } from '../io';
import type { InspectFlags } from './inspect-url';

export function inspectCommand(io: CommandIo): Command {
  return defineCommand('inspect', {
    summary: 'show what a running process knows and does',
    description:
      'Asks the graylane.adminHandler() that a process has mounted: its services, the policy each goes by, datacenters and how ' +
      'fresh they are, endpoints with load, breakers and connections. Ends with 1 when a policy was refused or cannot be ' +
      'read, when a datacenter is not fresh, or when nothing is known yet.',
    examples: [
      ['graylane inspect --url http://10.0.0.7:9465', 'everything'],
      ['graylane inspect --url http://10.0.0.7:9465/graylane --service payments', 'one service, mounted elsewhere'],
      ['graylane inspect --url http://10.0.0.7:9465 --watch', 'live, until q'],
      ['graylane inspect --url http://10.0.0.7:9465 --decisions', 'where its last calls went'],
      [
        'graylane inspect --url http://10.0.0.7:9465 --service payments --explain --method /shop.v1.Payments/Charge --label x-gray=canary',
        'why a call would go where it would go there',
      ],
    ],
  })
    .requiredOption('--url <url>', 'http://host:port/path that the handler is mounted at', parseHttpUrl)
    .option('--service <name>', 'only this one')
    .option('-w, --watch', 'go on: drawn anew each second on a terminal until q; once in a pipe')
    .option('--decisions', 'its last decisions instead, newest first')
    .option('--explain', 'explain a call instead; needs --service and --method')
    .option('--method <path>', '/package.Service/Method', parseMethod)
    .option('--label <key=value>', 'a label of the call to explain; may be given several times', parseLabel, {})
    .action(async (flags: InspectFlags) => {
      check(flags);
      const { inspectUrl } = await import('./inspect-url.js');
      await inspectUrl(flags, io);
    });
}

function check({ decisions, explain, service, method, label, watch, json }: InspectFlags): void {
  const usage = (problem: string): CommandError => new CommandError(2, problem, 'run graylane inspect --help');
  if (watch === true && json === true) throw usage('--watch: with --json (expected: one of them)');
  if (explain === true) {
    if (decisions === true) throw usage('--explain: with --decisions (expected: one of them)');
    if (service === undefined) throw usage('--service: missing (expected: which one --explain is about)');
    if (method === undefined) throw usage('--method: missing (expected: /package.Service/Method for --explain)');
  } else if (method !== undefined || Object.keys(label).length > 0) {
    throw usage(`${method === undefined ? '--label' : '--method'}: without --explain (expected: both)`);
  }
}
