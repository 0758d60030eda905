import { argument, type CommandGroup, option } from '../command';
import { consul, parseDuration, TO_ASK, WRITE } from '../flags';

const NAME = argument('<name>', 'the lane: the value of the label');
/** The message has a default here. */
const OPTIONS = WRITE.filter(({ long }) => long !== '--message');

export const lane: CommandGroup = {
  name: 'lane',
  summary: 'lanes: slices of environment across services',
  commands: [
    {
      name: 'create',
      summary: 'give a lane an end in the policies of services, and have them go by lanes',
      description:
        'Writes the end of a lane into the policy of each service, and a lanes key where there is none. All services are ' +
        'judged before anything is written. The instances are registered by whoever runs them, with meta lane=NAME; a ' +
        'service without any is served by its baseline. A lane that is there gets the new end.',
      examples: {
        'graylane lane create pr-42 --services orders,payments --ttl 3d': 'ends by itself in three days',
        'graylane lane create pr-42 --services orders --ttl 3d --by x-env --dry-run': 'another label; shows the change',
      },
      args: [NAME],
      options: [
        ...OPTIONS,
        option('--services <names>', 'the services, with commas', parseNames).makeOptionMandatory(),
        option('--ttl <duration>', 'how long: 90s, 30m, 2h, 3d', parseDuration).makeOptionMandatory(),
        option('--by <label>', 'label of the dimension; default: the one of the policy, else x-lane'),
        option('-m, --message <text>', 'why, for the history; default: what is done'),
      ],
      run: async () => (await import('./write-lanes.js')).createLane,
    },
    {
      name: 'list',
      summary: 'list the lanes, with their instances, the services that fall back, and their ends',
      examples: {
        'graylane lane list': "in the agent's own datacenter",
        'graylane lane list --json': 'for a dashboard',
      },
      options: consul(TO_ASK),
      run: async () => (await import('./list-lanes.js')).listLanes,
    },
    {
      name: 'delete',
      summary: 'end a lane now in every policy that names it, or remove an end that is past',
      description:
        'Ends the lane now in every policy that gives it an end: its calls go as calls without a lane. Where it has ended, ' +
        'the entry is removed, unless instances are still in the lane: without the entry they would be a lane again.',
      examples: {
        'graylane lane delete pr-42': 'its calls go to the baseline from now on',
        'graylane lane delete pr-42 --by x-env --dry-run': 'of one dimension; shows the change',
      },
      args: [NAME],
      options: [
        ...OPTIONS,
        option('--by <label>', 'label of the dimension; default: every dimension'),
        option('-m, --message <text>', 'why, for the history; default: what is done'),
      ],
      run: async () => (await import('./write-lanes.js')).deleteLane,
    },
  ],
};

/** `orders,payments` */
function parseNames(text: string): readonly string[] {
  return [
    ...new Set(
      text
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ),
  ];
}
