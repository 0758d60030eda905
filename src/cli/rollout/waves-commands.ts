import { argument, type CommandDefinition, type CommandGroup, option } from '../command';
import { AGENT } from '../flags';

const NAME = argument('<name>', 'of the waves');
const run: CommandDefinition['run'] = async () => (await import('./waves.js')).controlWavesFromFlags;

/** Their record is in the datacenter of the agent; the rollouts are where the document says. */
export const waves: CommandGroup = {
  name: 'waves',
  summary: 'rollouts that belong together: over datacenters and services, one wave after the other',
  commands: [
    {
      name: 'start',
      summary: 'begin rollouts over datacenters and services',
      description:
        'Checks the rollout of each member against the policy in its datacenter, and writes the waves down for a controller, ' +
        'which graylane rollout run is. Changes no policy itself.',
      examples: {
        'graylane waves start waves.yaml': 'members and their order from a file',
        'graylane waves start waves.yaml --dry-run': 'shows what would begin, in which order',
      },
      args: [argument('<file>', 'YAML or JSON; - is standard input')],
      options: [
        ...AGENT,
        option('--dry-run', 'write nothing'),
        option('--force', 'even if a canary has no instance yet: each member waits for its own'),
      ],
      run: async () => (await import('./waves.js')).startWavesFromFlags,
    },
    {
      name: 'status',
      summary: 'show how far waves are, and the rollouts of their members',
      examples: {
        'graylane waves status payments': 'members, waves, what they wait for',
        'graylane waves status payments --watch': 'until they have ended: 0 at their end, 3 when they were stopped',
      },
      args: [argument('[name]', 'of the waves; default: all')],
      options: [...AGENT, option('-w, --watch', 'show each change; with --json an object a line')],
      run: async () => (await import('./waves.js')).showWaves,
    },
    {
      name: 'pause',
      summary: 'begin nothing more, and hold the rollouts that are under way',
      examples: { 'graylane waves pause payments': 'until graylane waves resume payments' },
      args: [NAME],
      options: AGENT,
      run,
    },
    {
      name: 'resume',
      summary: 'go on with waves that were paused, and with the rollouts that these held',
      examples: { 'graylane waves resume payments': 'a timed pause of a rollout begins anew' },
      args: [NAME],
      options: AGENT,
      run,
    },
    {
      name: 'abort',
      summary: 'end waves: take back the rollouts that are under way',
      description:
        'Nothing more begins. A controller takes back the rollouts under way; those at their end as well where the document ' +
        'says onFailure: take-back-all, or with --all.',
      examples: {
        "graylane waves abort payments -m 'incident 42'": 'the reason goes into the histories',
        'graylane waves abort payments --all': 'also what has reached its end',
      },
      args: [NAME],
      options: [
        option('-m, --message <text>', 'why, for the history'),
        option('--all', 'take back rollouts at their end, too'),
        ...AGENT,
      ],
      run,
    },
    {
      name: 'history',
      summary: 'list what happened in waves',
      examples: { 'graylane waves history payments': 'newest last' },
      args: [NAME],
      options: AGENT,
      run: async () => (await import('./waves.js')).showWavesHistory,
    },
  ],
};
