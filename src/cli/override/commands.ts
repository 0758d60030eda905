import { type CommandGroup, option } from '../command';
import { consul, parseDuration, SIGNING_KEY, services, TO_ASK, TO_WRITE_TO } from '../flags';

const SERVICES = services('name in Consul');
const TARGETS = [
  ...consul(TO_WRITE_TO),
  SIGNING_KEY,
  option('--all', 'every service that has a policy'),
  option('--dry-run', 'write nothing'),
];

export const override: CommandGroup = {
  name: 'override',
  summary: 'the emergency switch: beats every route, ends by itself',
  commands: [
    {
      name: 'set',
      summary: 'send all calls of services to one subset, datacenter or peer, for a while',
      description:
        'Sets the override of policies: it beats every route, and ends by itself. Each service is a transaction of its own ' +
        'with an entry in its history; a lost race is tried again. Refuses a subset or datacenter where nobody, or far fewer, ' +
        'would serve.',
      examples: {
        "graylane override set --to stable payments --ttl 30m -m 'incident 42'": 'no more canary for half an hour',
        'graylane override set --peer cloud payments --ttl 1h -m drill': 'the instances that the peer cloud exports',
        "graylane override set --datacenter dc1 --all --ttl 2h -m 'dc2 is down' --dc all": 'every service out of dc2',
      },
      args: [SERVICES],
      options: [
        ...TARGETS,
        option('--to <subset>', 'the subset that serves'),
        option('--datacenter <name>', 'the only datacenter that serves'),
        option('--peer <name>', 'the cluster peer that serves'),
        option('--ttl <duration>', 'how long: 90s, 30m, 2h, 1d', parseDuration).makeOptionMandatory(),
        option('--force', 'even if calls would fail there, or far fewer instances would serve them'),
        option('-m, --message <text>', 'why: for the history, and for whoever reads explain()').makeOptionMandatory(),
      ],
      run: async () => (await import('./overrides.js')).setOverrides,
    },
    {
      name: 'clear',
      summary: 'end overrides before their time',
      examples: {
        'graylane override clear payments': 'the routes decide again',
        "graylane override clear --all --dc all -m 'incident 42 is over'": 'everywhere',
      },
      args: [SERVICES],
      options: [...TARGETS, option('-m, --message <text>', 'why, for the history', undefined, 'override cleared')],
      run: async () => (await import('./overrides.js')).clearOverrides,
    },
    {
      name: 'list',
      summary: 'list the overrides that are in force, and those that have ended',
      examples: {
        'graylane override list': "in the agent's own datacenter",
        'graylane override list --dc all --json': 'everywhere, for a dashboard',
      },
      options: consul(TO_ASK),
      run: async () => (await import('./overrides.js')).listOverrides,
    },
  ],
};
