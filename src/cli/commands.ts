import { argument, type CommandDefinition, option } from './command';
import {
  consul,
  FLEET_SOURCES,
  LOCAL_FIRST,
  POLICY_SOURCE,
  parseHttpUrl,
  parseLabel,
  parseMethod,
  parsePort,
  parseService,
  parseWhole,
  percentParser,
  SERVICE,
  services,
  WRITE_ONE,
} from './flags';

const CALLER = option('--caller <service>', 'the service that makes the calls, for match.from', parseService);
const WATCHED = 'datacenters, with commas, or all; default: the one of the agent';

export const init: CommandDefinition = {
  name: 'init',
  summary: 'write a first policy from what Consul lists',
  description:
    'Looks for the tags or the meta that part the instances of a service (stable and canary, blue and green, versions), ' +
    'and prints a policy with these subsets. Each begins with the share of calls that its instances get without a policy. ' +
    'Ends with 1 when Consul lists no instance.',
  examples: {
    'graylane init payments -o payments.yaml': 'to be reviewed, and applied',
    'graylane init payments --dc all --label x-lane': 'by the instances of every datacenter, with a label of your own',
  },
  args: [SERVICE],
  options: [
    ...consul('datacenters to look in, with commas, or all; default: the one of the agent'),
    option('-o, --output <file>', 'where to write it, a new file; default: standard output'),
    option('--label <key>', 'the label by which testers choose a subset', undefined, 'x-gray'),
    option('--stick-by <key>', 'the label that keeps a caller at its subset', undefined, 'x-user-id'),
  ],
  run: async () => (await import('./init/first-policy.js')).initPolicy,
};

export const weight: CommandDefinition = {
  name: 'weight',
  summary: 'set the percentage of calls that a subset gets',
  description:
    'Changes one split of the policy in Consul: the subset gets so many percent, the others share what is left as they did ' +
    'before. Checks, shows and writes as policy apply does. The route is the one that matches every call, unless --route ' +
    'names another.',
  examples: {
    "graylane weight payments canary 25 -m 'looks good at 5 %'": 'a quarter of the calls to the canary',
    "graylane weight payments canary 0 -m 'errors' --dc all": 'takes it out, everywhere',
    "graylane weight payments canary 50 --route beta -m 'half of the beta users'": 'of another route',
    'graylane weight payments canary 25 --dry-run': 'only shows what it would change',
  },
  args: [
    SERVICE,
    argument('<subset>'),
    // A bucket of a split is 0.01 %.
    argument('<percent>', '0 to 100; at most two decimals', percentParser(2, ', at most two decimals')),
  ],
  options: [
    ...WRITE_ONE,
    option('--route <name>', 'the route whose split is meant; default: the one that matches every call'),
  ],
  run: async () => (await import('./weight/change-weight.js')).changeWeight,
};

export const explain: CommandDefinition = {
  name: 'explain',
  summary: 'tell why a call would go where it would go',
  description:
    'Decides a call as a client would, without making it: the route, why each earlier one did not match, the bucket, the ' +
    'subset, and who could serve, in the order of failover. Ends with 1 when nobody could.',
  examples: {
    'graylane explain payments --method /shop.v1.Payments/Charge --label x-gray=canary': 'against Consul',
    'graylane explain payments --policy next.yaml --label x-user-id=u-42': "a file's policy over Consul's instances",
    'graylane explain payments --policy chain --label x-gray=canary': "by Consul's config entries",
    'graylane explain payments --policy p.yaml --instances i.yaml --json': 'offline, for a script',
  },
  args: [SERVICE],
  options: [
    ...consul(LOCAL_FIRST),
    option('--method <path>', '/package.Service/Method', parseMethod),
    option('-l, --label <key=value>', 'a label of the call; may be given several times', parseLabel, {}),
    option('--sticky-key <value>', 'takes the place of the label that a route sticks by'),
    CALLER,
    option(
      '--policy <source>',
      "chain (Consul's config entries), kv (its document), auto (what clients take), or a file instead of Consul's",
    ),
    option(
      '--instances <file>',
      "instances instead of Consul's, lists by service name in YAML or JSON; asks no Consul",
    ),
    option('--seed <n>', 'seeds what goes by chance; default: chance', parseWhole),
  ],
  run: async () => (await import('./explain/explain-call.js')).explainCall,
};

export const simulate: CommandDefinition = {
  name: 'simulate',
  summary: 'send many calls through a policy file, and see where they go',
  description:
    'Sends calls through a policy by the code that decides real ones: made up to meet every route, or recorded. With ' +
    '--against, tells what a second policy would do with the same calls: who moves, and how many sticky callers are lost, ' +
    'that is, move although nothing asked for it. Ends with 1 if any are. --against may also be rules of Istio, of the ' +
    "Gateway API or Consul's config entries: then calls around their conditions show whether the policy says the same, " +
    'and it ends with 1 if calls differ where an import tells no loss.',
  examples: {
    'graylane simulate payments.yaml': '100,000 calls that are made up',
    'graylane simulate now.yaml --against next.yaml --calls 1000000': 'what next.yaml would change',
    'graylane simulate payments.yaml --against istio.yaml': 'whether it says what rules of Istio say',
    'graylane simulate payments.yaml --from calls.ndjson': 'calls that recordCalls() wrote',
    'graylane simulate payments --policy chain': "the rules of Consul's config entries",
  },
  args: [argument('<file>', 'YAML or JSON; - is standard input; with --policy the name of a service in Consul')],
  options: [
    ...consul('with --policy: the datacenter whose rules are meant; default: the one of the agent'),
    POLICY_SOURCE,
    option(
      '--against <file>',
      'a second policy for the same service, which gets the same calls; or rules that it was imported from',
    ),
    option('--calls <n>', 'calls to make up; default: 100000', parseWhole),
    option(
      '--callers <n>',
      'different callers among them; default: a quarter of the calls, at most 100000',
      parseWhole,
    ),
    option('--from <file>', 'recorded calls, a JSON object a line; - is standard input'),
    CALLER,
    option('--seed <n>', 'seeds what goes by chance; default: 1', parseWhole),
  ],
  run: async () => (await import('./simulate/simulate-file.js')).simulateFile,
};

export const instances: CommandDefinition = {
  name: 'instances',
  summary: 'list the instances of a service by datacenter and subset',
  description:
    "Lists the instances of a service as a client sees them. Age is the time since the instance's meta `started-at` (RFC 3339); " +
    'without it, with --watch, since it was first seen here. Ends with 1 when no instance is usable.',
  examples: {
    'graylane instances payments': 'in the datacenter of the agent',
    'graylane instances payments --dc dc1,dc2 --watch': 'in two, live, until interrupted',
    'graylane instances payments --policy chain': "by the subsets of Consul's config entries",
  },
  args: [SERVICE],
  options: [...consul(WATCHED), option('--watch', 'go on, and show each change'), POLICY_SOURCE],
  run: async () => (await import('./instances.js')).listInstances,
};

export const watch: CommandDefinition = {
  name: 'watch',
  summary: 'show policy revisions and instance changes as they arrive',
  description:
    'Shows what a client of this library hears of a service, a line for each change, until interrupted. With --json, an ' +
    'object a line.',
  examples: {
    'graylane watch payments': 'while a policy is applied or a deployment runs',
    'graylane watch payments --dc all --json': 'in every datacenter, for a script',
  },
  args: [SERVICE],
  options: [...consul(WATCHED), POLICY_SOURCE],
  run: async () => (await import('./watch.js')).watchChanges,
};

export const inspect: CommandDefinition = {
  name: 'inspect',
  summary: 'show what a running process knows and does',
  description:
    'Asks the graylane.adminHandler() that a process has mounted: its services, the policy each goes by, datacenters and how ' +
    'fresh they are, endpoints with load, breakers and connections. Ends with 1 when a policy was refused or cannot be ' +
    'read, when a datacenter is not fresh, or when nothing is known yet.',
  examples: {
    'graylane inspect --url http://10.0.0.7:9465': 'everything',
    'graylane inspect --url http://10.0.0.7:9465/graylane --service payments': 'one service, mounted elsewhere',
    'graylane inspect --url http://10.0.0.7:9465 --watch': 'live, until q',
    'graylane inspect --url http://10.0.0.7:9465 --decisions': 'where its last calls went',
    'graylane inspect --url http://10.0.0.7:9465 --service payments --explain --method /shop.v1.Payments/Charge --label x-gray=canary':
      'why a call would go where it would go there',
  },
  options: [
    option('--url <url>', 'http://host:port/path that the handler is mounted at', parseHttpUrl).makeOptionMandatory(),
    option('--service <name>', 'only this one'),
    option('-w, --watch', 'go on: drawn anew each second on a terminal until q; once in a pipe'),
    option('--decisions', 'its last decisions instead, newest first'),
    option('--explain', 'explain a call instead; needs --service and --method'),
    option('--method <path>', '/package.Service/Method', parseMethod),
    option('-l, --label <key=value>', 'a label of the call to explain; may be given several times', parseLabel, {}),
  ],
  run: async () => (await import('./inspect/inspect-url.js')).inspectUrl,
};

export const fleet: CommandDefinition = {
  name: 'fleet',
  summary: 'list which processes follow the policy, and who is behind and why',
  description:
    'Compares the policy that each process goes by with the one in Consul. Processes are found in Prometheus, by the ' +
    'gauges that Graylane clients report, or asked one by one at their graylane.adminHandler(). Ends with 1 when somebody is behind, or ' +
    'when nobody is there.',
  examples: {
    'graylane fleet payments --prometheus http://prometheus:9090': 'all that Prometheus scrapes',
    'graylane fleet payments --url http://10.0.0.7:9465 --url http://10.0.0.8:9465': 'these two',
  },
  args: [SERVICE],
  options: [...consul('datacenters whose policy is meant, with commas; default: all'), ...FLEET_SOURCES],
  run: async () => (await import('./fleet/report.js')).showFleetOf,
};

export const top: CommandDefinition = {
  name: 'top',
  summary: 'show calls, failures and breakers of all processes, live',
  description:
    'Adds up what the processes of a fleet tell of their services: by subset the endpoints, calls under way, attempts that ' +
    'failed and breakers that are not closed. Processes are found as graylane fleet finds them. Drawn anew each second on a ' +
    'terminal until q; once in a pipe.',
  examples: {
    'graylane top --prometheus http://prometheus:9090': 'all that Prometheus scrapes, over the last minute',
    'graylane top payments --url http://10.0.0.7:9465 --url http://10.0.0.8:9465': 'one service in these two',
  },
  args: [argument('[service]', 'only this one', parseService)],
  options: FLEET_SOURCES,
  run: async () => (await import('./top/show-top.js')).showTop,
};

export const doctor: CommandDefinition = {
  name: 'doctor',
  summary: 'look for what commonly goes wrong, and say what to do',
  description:
    'Asks Consul (reachable, its clock), the token (which right is missing: Consul answers an empty list where one would ' +
    'expect a refusal), policies, instances and what the ones do with the others; connects to instances to hear whether they ' +
    'speak HTTP/2; looks at this machine: Node, variables, second copies of grpc-js. Writes nothing. Ends with 1 when a ' +
    'problem was found.',
  examples: {
    'graylane doctor payments orders': 'two services',
    'graylane doctor': 'all services that have a policy',
    'graylane doctor payments --tree /srv/app --json': 'with the node_modules of an application',
    'graylane doctor payments --role writer': 'may this token run policy apply?',
    'graylane doctor payments --policy payments.yaml': 'a process reads its policy from a file',
  },
  args: [services('names in Consul; default: those with a policy')],
  options: [
    ...consul(),
    option('--tree <folder>', 'where to look for copies of grpc-js; default: the current folder'),
    option('--role <role>', 'what the token is for: clients, policy apply and weight, or rollout run')
      .choices(['reader', 'writer', 'controller'])
      .default('reader'),
    option('--policy <file>', 'a file in place of the policies in Consul; for one service'),
    option('--state-directory <folder>', 'stateDirectory of the process; default: that of XDG_STATE_HOME'),
    option('--tls', 'clients speak TLS to instances'),
    option('--no-dial', 'do not connect to instances'),
  ],
  run: async () => (await import('./doctor/run-doctor.js')).runDoctor,
};

export const playground: CommandDefinition = {
  name: 'playground',
  summary: 'serve a page in which policies, breakers and rollouts can be tried',
  description:
    'Serves the playground on loopback, without Consul: edit a policy, see where a call goes and why, drag a weight and see ' +
    'which of 10,000 users move, let an endpoint fail, run a rollout. The page runs the code of the SDK itself, and sends ' +
    'nothing anywhere. Goes on until it is interrupted.',
  examples: {
    'graylane playground': 'prints its address',
    'graylane playground --open': 'and opens it in the browser',
    'graylane playground --write public/playground': 'as files, for a web server or a documentation',
  },
  options: [
    option('--port <n>', 'the port on loopback; default: 4180, or any free one', parsePort),
    option('--open', 'open it in the browser'),
    option('--write <folder>', 'write the page there instead, as files that any web server serves'),
  ],
  run: async () => (await import('./playground/serve-playground.js')).servePlayground,
};

export const completion: CommandDefinition = {
  name: 'completion',
  summary: 'print what makes a shell complete commands, options and services',
  description:
    'Prints a script that makes a shell complete commands, options and their values, and names of services, for which it asks ' +
    'Consul by what the line says; when Consul does not answer within a second, none are offered.',
  examples: {
    'graylane completion fish > ~/.config/fish/completions/graylane.fish': 'once',
    'source <(graylane completion bash)': 'in ~/.bashrc',
    'source <(graylane completion zsh)': 'in ~/.zshrc, after compinit',
  },
  args: [
    argument('<shell>', 'which one').choices(['bash', 'zsh', 'fish']),
    argument('[words...]', 'with --services: those of the line, behind --'),
  ],
  options: [option('--services', 'what the script asks for: what may stand in place of the last word')],
  run: async () => (await import('./completion/scripts.js')).completeShell,
};
