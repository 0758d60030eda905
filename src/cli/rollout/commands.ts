import { type Command, Option } from 'commander';
import { defineCommand } from '../command';
import { withAgent, withSigningKey } from '../consul/consul-connection';
import type { RolloutFlags } from '../consul/store-session';
import { parseAdvertise, parseListen, parsePositive, parseWeights, parseWhole } from '../flags';
import type { CommandIo } from '../io';
import type { ControlSettings } from './control-rollout';
import type { RunFlags } from './run-controller';
import type { StartFlags } from './start-rollout';

const SERVICE = 'name in Consul';

/**
 * Every `graylane rollout ...`. All of them work in the datacenter of the agent: a rollout is of one datacenter's
 * policy.
 */
export function rolloutCommands(io: CommandIo): readonly Command[] {
  return [start(io), status(io), pause(io), resume(io), promote(io), abort(io), history(io), run(io)];
}

function start(io: CommandIo): Command {
  const command = defineCommand('start', {
    summary: 'begin to raise a canary step by step',
    description:
      'Checks a rollout against the policy in Consul and writes it down for a controller, which graylane rollout run is. ' +
      'Changes no policy itself.',
    examples: [
      ['graylane rollout start payments --file rollout.yaml', 'steps and analysis from a file'],
      ['graylane rollout start payments --weights 5,25,50,100 --pause 600', 'ten minutes at each weight'],
      [
        'graylane rollout start payments --weights 5,25,50,100 --provider clients',
        'each weight is compared with stable',
      ],
    ],
  });
  return withAgent(command)
    .argument('<service>', SERVICE)
    .option('-f, --file <file>', 'YAML or JSON; - is standard input')
    .addOption(new Option('--weights <list>', 'in place of a file: percent, with commas').argParser(parseWeights))
    .option('--pause <seconds>', 'with --weights: stays so long at each', parsePositive)
    .option('--provider <name>', 'with --weights: an analysis at each; clients, or a name that the controller knows')
    .option('--config <file>', 'of the controller: refuse names that it does not have')
    .option('--canary <subset>', 'with --weights: what is raised', 'canary')
    .option('--stable <subset>', 'with --weights: what it is held against', 'stable')
    .option('--dry-run', 'write nothing')
    .option('--force', 'even if canary or stable has no instance, or both have the same')
    .action(async (service: string, flags: StartFlags) => {
      const { startFromFlags } = await import('./start-rollout.js');
      await startFromFlags(service, flags, io);
    });
}

function status(io: CommandIo): Command {
  const command = defineCommand('status', {
    summary: 'show how far a rollout is, and what its figures say',
    examples: [
      ['graylane rollout status payments', 'steps, weights, canary and stable, verdicts'],
      ['graylane rollout status payments --watch', 'goes on until the rollout has ended'],
    ],
  });
  return withAgent(command)
    .argument('[service]', `${SERVICE}; default: all that have a rollout`)
    .option('-w, --watch', 'show each change; with --json an object a line')
    .action(async (service: string | undefined, flags: RolloutFlags & { readonly watch?: boolean }) => {
      const { showStatus } = await import('./show-rollout.js');
      await showStatus(service, flags, io);
    });
}

function pause(io: CommandIo): Command {
  const command = defineCommand('pause', {
    summary: 'stop a rollout where it stands, the weight as it is',
    examples: [['graylane rollout pause payments', 'until graylane rollout resume payments']],
  });
  return controlling(command, 'pause', io);
}

function resume(io: CommandIo): Command {
  const command = defineCommand('resume', {
    summary: 'go on with a rollout that waits',
    description:
      'Goes on after a pause, or measures afresh after an inconclusive analysis. A policy that somebody changed meanwhile is ' +
      'gone on from as it is now.',
    examples: [['graylane rollout resume payments', 'after a pause step, too']],
  });
  return controlling(command, 'resume', io);
}

function promote(io: CommandIo): Command {
  const command = defineCommand('promote', {
    summary: 'take the step that a rollout is at as passed',
    examples: [
      ['graylane rollout promote payments', 'the next step'],
      ['graylane rollout promote payments --full', 'all that are left: 100 % as soon as the instances can carry it'],
    ],
  });
  return controlling(command.option('--full', 'all steps that are left'), 'promote', io);
}

function abort(io: CommandIo): Command {
  const command = defineCommand('abort', {
    summary: 'take the canary back: weight 0, at once',
    description: 'Writes weight 0 itself, whether a controller runs or not, and ends the rollout.',
    examples: [["graylane rollout abort payments -m 'incident 42'", 'the reason goes into the history']],
  });
  return controlling(withSigningKey(command.option('-m, --message <text>', 'why, for the history')), 'abort', io);
}

function controlling(command: Command, action: ControlSettings['action'], io: CommandIo): Command {
  return withAgent(command)
    .argument('<service>', SERVICE)
    .action(async (service: string, flags: Omit<ControlSettings, 'wish'>) => {
      const { controlFromFlags } = await import('./control-rollout.js');
      await controlFromFlags(service, { ...flags, action }, io);
    });
}

function history(io: CommandIo): Command {
  const command = defineCommand('history', {
    summary: 'list what happened in a rollout, and the rollouts before it',
    examples: [['graylane rollout history payments', 'newest last; policies by their number in policy log']],
  });
  return withAgent(command)
    .argument('<service>', SERVICE)
    .action(async (service: string, flags: RolloutFlags) => {
      const { showHistory } = await import('./show-rollout.js');
      await showHistory(service, flags, io);
    });
}

function run(io: CommandIo): Command {
  const command = defineCommand('run', {
    summary: 'run the controller, in the foreground',
    description:
      'Drives rollouts. Several may run: for each rollout a Consul session elects one, and another goes on where it stood when ' +
      'that one is gone. With --json, an object a line. Ends with 3 under --once when the rollout was taken back.',
    examples: [
      ['graylane rollout run', 'every rollout of the datacenter, until interrupted'],
      [
        'graylane rollout run --once payments',
        'in CI: until this one has ended; 0 when it reached its end, 3 when taken back',
      ],
      [
        'graylane rollout run --listen 0.0.0.0:9464 --advertise http://10.0.0.7:9464',
        'rollouts without a provider are judged by what their clients report',
      ],
      ['graylane rollout run --config controller.yaml', 'rollouts may name the providers and hooks of the file'],
    ],
  });
  return withSigningKey(withAgent(command))
    .argument('[service...]', `${SERVICE}; default: all`)
    .option(
      '--config <file>',
      'providers and hooks that rollouts may name; without it clients judge, and nobody is told',
    )
    .addOption(
      new Option('--listen <host:port>', 'take the figures of clients, and show /metrics and /healthz').argParser(
        parseListen,
      ),
    )
    .addOption(new Option('--advertise <url>', 'with --listen: where clients reach it').argParser(parseAdvertise))
    .option('--once', 'until the rollout of the one service named has ended')
    .option(
      '--session-ttl <seconds>',
      'of the Consul session, at least 10; another takes over within twice that',
      parseWhole,
    )
    .action(async (services: readonly string[], flags: RunFlags) => {
      const { runFromFlags } = await import('./run-controller.js');
      await runFromFlags(services, flags, io);
    });
}
