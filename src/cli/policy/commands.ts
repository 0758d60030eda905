import { argument, type CommandGroup, option } from '../command';
import {
  consul,
  parseAdvertise,
  parseDatacenters,
  parseDuration,
  parseListen,
  parseWeights,
  parseWhole,
  percentParser,
  SERVICE,
  SIGNING_KEY,
  TO_ASK,
  TO_WRITE_TO,
  TOKEN_FILE,
  WRITE,
  WRITE_ONE,
} from '../flags';
import { importCommands } from './import-commands';

const FILES = argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input');
const LISTEN = [
  option('--listen <host:port>', 'take the reports of clients here', parseListen),
  option('--advertise <url>', 'where clients reach it; default: http:// and what --listen says', parseAdvertise),
];
const GRADUAL = [
  option('--gradual <list>', 'first in these shares of clients, percent, then 100: 1,10,100', parseWeights),
  option('--step <duration>', 'with --gradual: stays so long at each; default: 60s', parseDuration),
  option(
    '--max-excess <percent>',
    'with --gradual: calls in a hundred that may fail beyond those under the former policy; default: 1',
    percentParser(2, ''),
  ),
  option('--min-calls <number>', 'with --gradual: calls that a share needs; default: 100', parseWhole),
  ...LISTEN,
];
const YAML = option('--yaml', 'print YAML instead of JSON');

export const policy: CommandGroup = {
  name: 'policy',
  summary: 'check policies, write them to Consul, and see who changed what',
  commands: [
    {
      name: 'list',
      summary: 'list the services that have a policy, and who changed each last',
      examples: {
        'graylane policy list': "in the agent's own datacenter",
        'graylane policy list --dc all --json': 'in every datacenter, for a script',
      },
      options: consul(TO_ASK),
      run: async () => (await import('./read-policies.js')).listPolicies,
    },
    {
      name: 'validate',
      summary: 'tell everything that is wrong with policy files',
      description:
        'Tells every problem and warning in policy files, with line and column. Ends with 1 if there are problems; ' +
        'warnings alone do not make it fail.',
      examples: {
        'graylane policy validate payments.yaml': 'one file',
        'graylane policy validate policies/ --json': 'all of a folder, for a CI job',
        'graylane policy validate payments.yaml --consul --dc all': 'also warns of subsets that have no instances',
      },
      args: [FILES],
      options: [
        option('--service <name>', 'the service that the files must be for; default: the one that each names'),
        option('--consul [address]', 'look in Consul, too; default address: CONSUL_HTTP_ADDR'),
        TOKEN_FILE,
        option(
          '--dc <name>',
          'with --consul: datacenters to look in, with commas, or all; default: the one of the agent',
          parseDatacenters,
        ),
      ],
      run: async () => (await import('./check-files.js')).validateFiles,
    },
    {
      name: 'get',
      summary: 'print the policy that is in force',
      description:
        'Prints the policy of a service as it stands in Consul. With several datacenters, which revision each has; ends ' +
        'with 1 when they diverge, or when there is no policy.',
      examples: {
        'graylane policy get payments --yaml > payments.yaml': 'to edit it',
        'graylane policy get payments --dc all': 'whether all datacenters have the same',
      },
      args: [SERVICE],
      options: [...consul(TO_ASK), YAML],
      run: async () => (await import('./read-policies.js')).getPolicy,
    },
    {
      name: 'diff',
      summary: 'show what policy files would change, and how many sticky callers move',
      description:
        'Shows what policy files would change against Consul: in meaning, in sticky callers that move, and in text. Ends ' +
        'with 1 when something differs.',
      examples: {
        'graylane policy diff payments.yaml': 'before applying it',
        'graylane policy diff payments.yaml --dc all': 'against every datacenter, to find drift',
        'graylane policy diff policies/': 'all of a folder',
        'graylane policy diff payments.yaml --markdown': 'for a merge request',
      },
      args: [FILES],
      options: [
        ...consul('datacenters to compare with, with commas, or all; default: the one of the agent'),
        option('--markdown', 'print Markdown, for the comment of a merge request'),
      ],
      run: async () => (await import('./show-change.js')).diffFiles,
    },
    {
      name: 'apply',
      summary: 'check policy files, show what they change, write them to Consul',
      description:
        'Checks policy files, shows what they change, and writes each policy and its history entry in one transaction, if ' +
        'Consul still has what was read. Of a folder, every *.yaml, *.yml and *.json below it. Everything is checked before ' +
        'anything is written. Refuses what reshuffles sticky callers, weights that the healthy instances cannot carry, and ' +
        'what leaves a subset in use without instances, with far fewer than now, or with those of another one.',
      examples: {
        "graylane policy apply payments.yaml -m 'canary to 25 %'": "into the agent's own datacenter",
        "graylane policy apply payments.yaml -m 'canary to 25 %' --dc all": 'into every datacenter; says which took it',
        "graylane policy apply payments.yaml -m 'canary to 25 %' --wait 30s --prometheus http://prometheus:9090":
          'and ends when every process follows, or after 30 s with 1, naming who does not',
        "graylane policy apply policies/ -m 'new labels'": 'all of a folder; says of each service what became of it',
        "graylane policy apply payments.yaml -m 'canary to 25 %' --gradual 1,10,100 --listen 10.0.0.7:9464":
          'first in 1 % of the clients, then in 10 %; back by itself when more calls fail there',
        'graylane policy apply payments.yaml --dry-run': 'only shows what it would change, and what speaks against it',
      },
      args: [FILES],
      options: [...WRITE_ONE, ...GRADUAL],
      run: async () => (await import('./apply-files.js')).applyFiles,
    },
    {
      name: 'trial',
      summary: 'show what a policy file would move, without moving it',
      description:
        'Lets the clients of a service decide each call twice for a while, and obey only the policy in force. Tells how many ' +
        'calls and sticky callers would move, from where to where, and how many calls would find nobody. Only counts leave ' +
        'a process. Takes clients with reportRolloutMetrics: true. Ends with 1 when a client would refuse the policy, or more ' +
        'calls than now would find nobody.',
      examples: {
        'graylane policy trial payments.yaml --for 5m --listen 10.0.0.7:9464': 'clients report to this address',
        'graylane policy trial payments.yaml --for 30s --listen 10.0.0.7:9464 --json': 'for a script',
      },
      args: [argument('<file>', 'YAML or JSON; - is standard input')],
      options: [
        ...consul('datacenter whose clients are asked; default: the one of the agent'),
        SIGNING_KEY,
        option('--for <duration>', 'how long, at most 24h', parseDuration, 300_000),
        ...LISTEN,
      ],
      run: async () => (await import('../candidate/trial-policy.js')).trialPolicy,
    },
    {
      name: 'sync',
      summary: 'make the policies in Consul what a folder says',
      description:
        'Writes every policy below a folder that differs from the one in Consul, as policy apply does; what is alike is left ' +
        'alone. Policies of services that the folder does not have are told, and deleted with --prune. Leaves services alone ' +
        'whose rollout is under way.',
      examples: {
        'graylane policy sync policies/ --check --dc all': 'in a CI job: ends with 1 when something differs',
        'graylane policy sync policies/ --check --markdown': 'for a merge request',
        'graylane policy sync policies/ -m "$(git log -1 --format=\'%h %s\')"': 'after the merge',
        "graylane policy sync policies/ --prune -m 'as in git'": 'also deletes what is not in the folder',
      },
      args: [argument('<folder>', 'every *.yaml, *.yml and *.json below it')],
      options: [
        ...WRITE,
        option('--prune', 'delete the policies of services that the folder does not have'),
        option('--check', 'write nothing; ends with 1 when something differs'),
        option('--markdown', 'with --check: print Markdown, for the comment of a merge request'),
      ],
      run: async () => (await import('./sync-folder.js')).syncFolder,
    },
    {
      name: 'edit',
      summary: 'edit a policy, see what changes, and write it',
      description:
        'Opens the policy that is in force as YAML in VISUAL or EDITOR (default: vi), checks it, shows what it changes, asks, ' +
        'and writes it as policy apply does. A service without a policy begins with what graylane init proposes. A text that ' +
        'is not written is kept in a file.',
      examples: {
        'graylane policy edit payments': 'asks for the message of the history',
        "EDITOR='code --wait' graylane policy edit payments -m 'testers first'": 'with another editor',
        "EDITOR='sed -i s/x-gray/x-lane/' graylane policy edit payments --yes -m 'new label'": 'without a terminal',
      },
      args: [SERVICE],
      options: [...WRITE_ONE, option('-y, --yes', 'do not ask; needs -m')],
      run: async () => (await import('./edit-policy.js')).editPolicy,
    },
    {
      name: 'delete',
      summary: 'say that a service has no policy any more',
      description:
        'Writes a tombstone in place of the policy: clients then share the calls out over all instances. A key that is only ' +
        'deleted in Consul leaves the last policy in force in every client. Checks the effect as apply does; rollback undoes it.',
      examples: {
        "graylane policy delete payments -m 'no canaries any more'": "in the agent's own datacenter",
        'graylane policy delete payments --dry-run': 'only shows what it would change',
      },
      args: [SERVICE],
      options: WRITE_ONE,
      run: async () => (await import('./apply-files.js')).deletePolicy,
    },
    {
      name: 'log',
      summary: 'list who changed a policy, when and why',
      description:
        'Lists the history of a policy, newest first. With --verify, checks that nobody changed it afterwards, and ends with ' +
        '1 if somebody did.',
      examples: {
        'graylane policy log payments': 'the history',
        'graylane policy log payments --verify': 'whether it can be believed',
        'graylane policy log payments --verify --expect 9f86d081...': 'whether a digest noted before is still in it',
        'graylane policy log payments --verify --keys keys.pem': 'whether each policy was signed by one of these keys',
      },
      args: [SERVICE],
      options: [
        ...consul(TO_ASK),
        option('-n, --limit <number>', 'the newest ones only', parseWhole),
        option('--verify', 'check digests, numbers and indexes of the whole history'),
        option('--expect <digest>', 'with --verify: the digest of an entry that must be there'),
        option('--keys <file>', 'with --verify: public keys (PEM) of which one must have signed each policy'),
      ],
      run: async () => (await import('./read-policies.js')).showLog,
    },
    {
      name: 'show',
      summary: 'print an earlier revision of a policy',
      examples: {
        'graylane policy show 7 payments': 'number 7 of the log',
        'graylane policy show 3fa9c2 payments --json':
          'by the revision that spans and inspect() name; with author and digest',
      },
      args: [argument('<revision>', 'a number of the log, or the first four or more digits of a revision'), SERVICE],
      options: [...consul(), YAML],
      run: async () => (await import('./read-policies.js')).showRevision,
    },
    {
      name: 'rollback',
      summary: 'put an earlier revision in force again',
      description:
        'Writes an earlier revision as a new one, so that the history goes on. Sticky callers that move and subsets too small ' +
        'for their share are told here, and it is done. Refuses what would leave calls without an instance, such as a ' +
        'revision whose canary is gone. Without a number: to the one before the one in force, and when a rollback put that ' +
        'in force, to the one before; so it never goes back to what a rollback has left.',
      examples: {
        "graylane policy rollback payments -m 'incident 42'": 'to the one before',
        'graylane policy rollback payments 6':
          'to number 6 of the log; graylane policy rollback 6 payments is the same',
        'graylane policy rollback payments 3fa9c2 --dc all': 'to a revision, wherever it is in the history',
        'graylane policy rollback payments --dry-run': 'which number that is, and what it would change',
      },
      args: [
        SERVICE,
        argument(
          '[revision]',
          'a number of the log, or the first four or more digits of a revision; default: the one before',
        ),
      ],
      options: [
        ...consul(TO_WRITE_TO),
        SIGNING_KEY,
        option('-m, --message <text>', 'why, for the history; default: back to which number'),
        option('--dry-run', 'only show what it would change'),
        option('--force', 'even if calls would fail, or a subset would have no instance, or far fewer'),
      ],
      run: async () => (await import('./roll-back.js')).rollBack,
    },
    {
      name: 'test',
      summary: 'hold a policy file against a table of calls and expected subsets',
      description:
        'Decides each call of a table and compares. A case has labels, method, stickyKey or from (the caller), and ' +
        'expects subset, route or shares (percent by subset); lists stand beside the cases. Ends with 1 when a case does not hold.',
      examples: {
        'graylane policy test payments.yaml payments.cases.yaml': 'in a CI job, before it is applied',
        'graylane policy test payments.yaml cases.json --at 2026-12-01T10:00:00Z':
          'as if an override had to be judged then',
      },
      args: [
        argument('<file>', 'the policy, YAML or JSON; - is standard input'),
        argument('<cases>', 'a list of cases, YAML or JSON'),
      ],
      options: [option('--at <time>', 'time that an override is held against, RFC 3339; default: now')],
      run: async () => (await import('./check-files.js')).testPolicyFile,
    },
    ...importCommands,
  ],
};
