import { argument, type CommandGroup, option } from '../command';
import { consul, TO_ASK, TO_WRITE_TO } from '../flags';

const NAME = argument('<name>', 'of the list');
const FORCE = option('--force', 'even if more than half of the values go');

export const lists: CommandGroup = {
  name: 'lists',
  summary: 'lists of values that policies match by name: users, tenants',
  commands: [
    {
      name: 'put',
      summary: 'write a list from a file, a value a line',
      description:
        'Writes a list of values to Consul, where the matcher `list` of policies finds it. Clients have it at once, and no ' +
        'policy changes. Refuses a file that takes out more than half of the values.',
      examples: {
        "graylane lists put beta-users users.txt -m 'second wave'": 'a value a line; # begins a comment',
        'graylane lists put beta-users - --dry-run < users.txt': 'only says what would change',
      },
      args: [NAME, argument('<file>', 'lines of text, or a JSON list of texts; - is standard input')],
      options: [
        ...consul(TO_WRITE_TO),
        option('-m, --message <text>', 'why: it stands in the list', undefined, ''),
        option('--dry-run', 'write nothing'),
        FORCE,
      ],
      run: async () => (await import('./lists.js')).putList,
    },
    {
      name: 'list',
      summary: 'list the lists: how many values, who changed each last',
      examples: { 'graylane lists list': "in the agent's own datacenter" },
      options: consul(TO_ASK),
      run: async () => (await import('./lists.js')).listLists,
    },
    {
      name: 'show',
      summary: 'print the values of a list, or say whether it has one',
      examples: {
        'graylane lists show beta-users > users.txt': 'as a file that put takes',
        'graylane lists show beta-users --has u-42': 'ends with 1 if it does not',
      },
      args: [NAME],
      options: [...consul(TO_ASK), option('--has <value>', 'only say whether this value is in it')],
      run: async () => (await import('./lists.js')).showList,
    },
    {
      name: 'rollback',
      summary: 'undo the last change of a list',
      examples: { "graylane lists rollback beta-users -m 'too many'": 'a second time undoes that' },
      args: [NAME],
      options: [
        ...consul(TO_WRITE_TO),
        option('-m, --message <text>', 'why: it stands in the list', undefined, 'undone'),
        option('--dry-run', 'write nothing'),
      ],
      run: async () => (await import('./lists.js')).rollBackList,
    },
  ],
};
