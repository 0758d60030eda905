import { argument, type CommandGroup, option } from '../command';
import {
  consul,
  FLEET_SOURCES,
  parseDuration,
  parseLabel,
  parseMethod,
  parseWhole,
  percentParser,
  SERVICE,
  SIGNING_KEY,
  TO_ASK,
  TO_WRITE_TO,
} from '../flags';
import { parseDelay, parseStatus } from './parse';

const TARGETS = [...consul(TO_WRITE_TO), SIGNING_KEY, option('--dry-run', 'write nothing')];

export const drill: CommandGroup = {
  name: 'drill',
  summary: 'have calls fail or wait on purpose, for a while, and see what saves them',
  commands: [
    {
      name: 'start',
      summary: 'have a share of the attempts fail, or begin late, for a while',
      description:
        'Adds a fault to the policy in Consul: of the calls that have these labels a share of the attempts fails with a status, ' +
        'or begins late, without a change of the servers. Breakers, retries and fallbacks take it for a real failure. It ends by ' +
        'itself; with --stop-above also in each client whose callers suffer. A lost race is tried again. Refuses what would hit ' +
        'every call of a service with nothing that stops it.',
      examples: {
        "graylane drill start payments --label x-gray=canary --abort UNAVAILABLE --percent 10 --for 10m --stop-above 5 -m 'game day'":
          "one in ten of the testers' attempts fails",
        "graylane drill start payments --in canary --delay 300ms --percent 50 --for 5m -m 'slow canary'":
          'half of the attempts at the canary begin late',
        "graylane drill start payments --in 'stable in dc2' --abort UNAVAILABLE --percent 100 --for 5m --stop-above 5 -m 'dc2 gone'":
          'is dc2 missed?',
        "graylane drill start payments --abort UNAVAILABLE --percent 1 --for 10m --dry-run -m 'try'":
          'what it would do',
      },
      args: [SERVICE],
      options: [
        ...TARGETS,
        option('-l, --label <key=value>', 'calls with this label; may be given several times', parseLabel, {}),
        option('--method <path>', 'calls of this method: /package.Service/Method', parseMethod),
        option(
          '--in <subset>',
          "only attempts at it: canary, 'lane pr-42', 'canary in dc2', or orders/v2 of another service",
        ),
        option('--abort <status>', 'the status that attempts fail with, such as UNAVAILABLE', parseStatus),
        option('--delay <duration>', 'how much later attempts begin: 300ms, 2s', parseDelay),
        option(
          '--percent <share>',
          'of the attempts, above 0, up to 100',
          percentParser(2, ', at most two decimals'),
        ).makeOptionMandatory(),
        option('--for <duration>', 'how long: 90s, 10m, 2h', parseDuration).makeOptionMandatory(),
        option(
          '--stop-above <percent>',
          'ends it in a client when more of its calls than this fail within 10 s',
          percentParser(2, ''),
        ),
        option('--minimum-calls <n>', 'with --stop-above: so many calls before that; default: 20', parseWhole),
        option('--name <name>', 'of the drill: letters, digits, _ . -', undefined, 'drill'),
        option('--force', 'even if every call may fail'),
        option('-m, --message <text>', 'why: for the history, and for whoever reads explain()').makeOptionMandatory(),
      ],
      run: async () => (await import('./drills.js')).startDrill,
    },
    {
      name: 'watch',
      summary: 'show what a drill hits, and what retries, fallbacks and breakers save, live',
      description:
        'Adds up what the processes of a fleet tell of the faults of a policy. With --url the numbers count from the begin of ' +
        'the drill, with --prometheus they are those of the last minute. Drawn anew each second on a terminal until q; once in a ' +
        'pipe. Ends with 1 when no process tells of a drill.',
      examples: {
        'graylane drill watch payments --url http://10.0.0.7:9465 --url http://10.0.0.8:9465': 'these two processes',
        'graylane drill watch payments --prometheus http://prometheus:9090 --once --json': 'for a script',
      },
      args: [SERVICE],
      options: [...FLEET_SOURCES, option('--once', 'once, also on a terminal')],
      run: async () => (await import('./watch-drill.js')).watchDrill,
    },
    {
      name: 'list',
      summary: 'list the drills that run, and those that have ended',
      description: 'Lists the faults of all policies, those of routes too.',
      examples: {
        'graylane drill list': "in the agent's own datacenter",
        'graylane drill list --dc all --json': 'everywhere, for a dashboard',
      },
      options: consul(TO_ASK),
      run: async () => (await import('./drills.js')).listDrills,
    },
    {
      name: 'stop',
      summary: 'end a drill before its time',
      description: 'Takes a fault out of the policy in Consul; without a name all of them. Those of routes stay.',
      examples: {
        'graylane drill stop payments': 'every drill of the service',
        "graylane drill stop payments slow-canary --dc all -m 'seen enough'": 'one of several, everywhere',
      },
      args: [SERVICE, argument('[name]', 'of the drill; default: all of them')],
      options: [...TARGETS, option('-m, --message <text>', 'why, for the history', undefined, 'drill stopped')],
      run: async () => (await import('./drills.js')).stopDrill,
    },
  ],
};
