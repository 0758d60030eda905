import { argument, type CommandDefinition, type CommandGroup, option } from '../command';
import {
  consul,
  parseAdvertise,
  parseHostName,
  parseHttpUrl,
  parseListen,
  parseSeconds,
  parseService,
  parseWeights,
  parseWhole,
  repeated,
  SERVICE,
  SIGNING_KEY,
  services,
  TO_ASK,
} from '../flags';

const NAME = 'name in Consul';
const DC = 'datacenter of the rollout; default: the one of the agent';
const run: CommandDefinition['run'] = async () => (await import('./control-rollout.js')).controlFromFlags;

/** A rollout is of one datacenter's policy; `waves` is of several. */
export const rollout: CommandGroup = {
  name: 'rollout',
  summary: 'raise a canary step by step, compare it with stable, take it back by itself',
  commands: [
    {
      name: 'start',
      summary: 'begin to raise a canary step by step',
      description:
        'Checks a rollout against the policy in Consul and writes it down for a controller, which graylane rollout run is. ' +
        'Changes no policy itself.',
      examples: {
        'graylane rollout start payments --file rollout.yaml': 'steps and analysis from a file',
        'graylane rollout start payments --weights 5,25,50,100 --pause 600': 'ten minutes at each weight',
        'graylane rollout start payments --weights 5,25,50,100 --provider clients':
          'each weight is compared with stable',
      },
      args: [SERVICE],
      options: [
        ...consul(DC),
        option('-f, --file <file>', 'YAML or JSON; - is standard input'),
        option('--weights <list>', 'in place of a file: percent, with commas', parseWeights),
        option('--pause <seconds>', 'with --weights: stays so long at each', parseSeconds),
        option(
          '--provider <name>',
          'with --weights: an analysis at each; clients, or a name that the controller knows',
        ),
        option(
          '--config <file>',
          'of the controller: refuse names that it does not have; with --dry-run, ask its providers',
        ),
        option('--canary <subset>', 'with --weights: what is raised', undefined, 'canary'),
        option('--stable <subset>', 'with --weights: what it is held against', undefined, 'stable'),
        option('-m, --message <text>', 'why, for the history'),
        option('--dry-run', 'write nothing'),
        option('--force', 'even if canary or stable has no instance, or both have the same'),
      ],
      run: async () => (await import('./start-rollout.js')).startFromFlags,
    },
    {
      name: 'status',
      summary: 'show how far a rollout is, and what its figures say',
      examples: {
        'graylane rollout status payments': 'steps, weights, canary and stable, verdicts',
        'graylane rollout status payments --watch':
          'goes on until the rollout has ended: 0 when it reached its end, 3 when taken back',
      },
      args: [argument('[service]', `${NAME}; default: all that have a rollout`, parseService)],
      options: [...consul(TO_ASK), option('-w, --watch', 'show each change; with --json an object a line')],
      run: async () => (await import('./show-rollout.js')).showStatus,
    },
    {
      name: 'pause',
      summary: 'stop a rollout where it stands, the weight as it is',
      examples: { 'graylane rollout pause payments': 'until graylane rollout resume payments' },
      args: [SERVICE],
      options: consul(DC),
      run,
    },
    {
      name: 'resume',
      summary: 'go on with a rollout that waits',
      description:
        'Goes on after a pause, or measures afresh after an inconclusive analysis. A policy that somebody changed meanwhile is ' +
        'gone on from as it is now.',
      examples: { 'graylane rollout resume payments': 'after a pause step, too' },
      args: [SERVICE],
      options: consul(DC),
      run,
    },
    {
      name: 'approve',
      summary: 'let a rollout go on that waits for an approval',
      description:
        'Who approved, when and on what is in the history of the rollout. resume does not continue such a step; promote passes it.',
      examples: { "graylane rollout approve payments -m 'CHG-4711, totals compared'": 'the present step' },
      args: [SERVICE],
      options: [option('-m, --message <text>', 'what the approval rests on, for the history'), ...consul(DC)],
      run,
    },
    {
      name: 'promote',
      summary: 'take the step that a rollout is at as passed',
      examples: {
        'graylane rollout promote payments': 'the next step, also one that a gate or the schedule holds',
        'graylane rollout promote payments --full': 'all that are left: 100 % as soon as the instances can carry it',
      },
      args: [SERVICE],
      options: [option('--full', 'all steps that are left'), ...consul(DC)],
      run,
    },
    {
      name: 'abort',
      summary: 'take the canary back: weight 0, at once',
      description: 'Writes weight 0 itself, whether a controller runs or not, and ends the rollout.',
      examples: { "graylane rollout abort payments -m 'incident 42'": 'the reason goes into the history' },
      args: [SERVICE],
      options: [option('-m, --message <text>', 'why, for the history'), SIGNING_KEY, ...consul(DC)],
      run,
    },
    {
      name: 'history',
      summary: 'list what happened in a rollout, and the rollouts before it',
      examples: { 'graylane rollout history payments': 'newest last; policies by their number in policy log' },
      args: [SERVICE],
      options: consul(DC),
      run: async () => (await import('./show-rollout.js')).showHistory,
    },
    {
      name: 'import',
      summary: 'write a Canary of Flagger or a Rollout of Argo as a rollout',
      description:
        'Reads one Canary or Rollout with the templates that it names, and prints the rollout that comes closest. Each field ' +
        'that is not in it is told on standard error with file, line and path; so is what the policy and the file of the ' +
        'controller need. Ends with 0 when everything is said, with 3 when something is left out, with 1 when nothing is left.',
      examples: {
        'graylane rollout import canary.yaml -o rollout.yaml': 'to be reviewed, and started',
        'graylane rollout import rollout.yaml templates/ --name payments': 'one of several, with its templates',
        'kubectl get canary,metrictemplates -A -o yaml | graylane rollout import - --name shop/payments':
          'from a cluster',
      },
      args: [argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')],
      options: [
        option('--name <name>', 'of the Canary or Rollout, with its namespace if need be; default: the only one'),
        option('--canary <subset>', 'of the policy: the new version', undefined, 'canary'),
        option('--stable <subset>', 'of the policy: what serves today', undefined, 'stable'),
        option('-o, --output <file>', 'where to write it, as JSON if the name ends in .json; default: standard output'),
        option('--strict', 'write nothing and end with 1 when anything is left out'),
      ],
      run: async () => (await import('./import-rollout.js')).importRolloutFiles,
    },
    {
      name: 'run',
      summary: 'run the controller, in the foreground',
      description:
        'Drives rollouts. Several may run: for each rollout a Consul session elects one, and another goes on where it stood when ' +
        'that one is gone. With --json, an object a line. Ends with 3 under --once when the rollout was taken back.',
      examples: {
        'graylane rollout run': 'every rollout of the datacenter, until interrupted',
        'graylane rollout run --once payments':
          'in CI: until this one has ended; 0 when it reached its end, 3 when taken back',
        'graylane rollout run --listen 0.0.0.0:9464 --advertise http://10.0.0.7:9464':
          'rollouts without a provider are judged by what their clients report',
        'graylane rollout run --dc dc1,dc2': 'of two datacenters, by one agent',
        'graylane rollout run --config controller.yaml': 'rollouts may name the providers, hooks and gates of the file',
      },
      args: [services(`${NAME}; default: all`)],
      options: [
        ...consul('datacenters whose rollouts it drives, with commas, or all; default: the one of the agent'),
        SIGNING_KEY,
        option(
          '--config <file>',
          'providers, hooks and gates that rollouts may name; without it clients judge, and nobody is told or asked',
        ),
        option('--listen <host:port>', 'take the figures of clients, and show /metrics and /healthz', parseListen),
        option('--advertise <url>', 'with --listen: where clients reach it', parseAdvertise),
        option('--console', 'with --listen: the pages of graylane console on the same port'),
        option('--console-read-only', 'the same, where nothing can be changed'),
        option('--console-host <name>', 'a name under which browsers reach it; several', repeated(parseHostName)),
        option('--console-prometheus <url>', 'its Prometheus, for charts and who follows a policy', parseHttpUrl),
        option('--console-url <url>', 'the same of this process, without one; several', repeated(parseHttpUrl)),
        option('--once', 'until the rollout of the one service named has ended'),
        option(
          '--session-ttl <seconds>',
          'of the Consul session, at least 10; another takes over within twice that',
          parseWhole,
        ),
      ],
      run: async () => (await import('./run-controller.js')).runFromFlags,
    },
  ],
};
