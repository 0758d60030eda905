import { argument, type CommandDefinition, option } from '../command';
import { consul, parseTime, parseWhole, SERVICE, TO_ASK } from '../flags';

const OUTPUT = option(
  '-o, --output <file>',
  'where to write it, as JSON if the name ends in .json; default: standard output',
);
const IMPORT_FILES = argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input');
const ENTRY_FILES = argument('<file...>', 'HCL, JSON or YAML, or a folder of them; - is standard input');
const ENTRY_DC = option('--dc <name>', 'the datacenter that they are compiled for; default: dc1').default('dc1');
const STRICT = option('--strict', 'write nothing and end with 1 when anything is left out');
const IMPORT_ENDS =
  'Ends with 0 when everything is said, with 3 when something is left out, with 1 when nothing is left.';

/** Rules of other systems: read, judged, and written as policy documents. */
export const importCommands: readonly CommandDefinition[] = [
  {
    name: 'lint-chain',
    summary: "tell which fields of Consul's config entries are not honoured",
    description:
      "Reads a service's discovery chain, which Consul compiles from its routers, splitters and resolvers, and tells every " +
      'field that clients of this library refuse, leave out or serve otherwise, and why. Ends with 1 if there are any.',
    examples: {
      'graylane policy lint-chain payments': 'before targets get ?policy=chain',
      'graylane policy lint-chain payments --dc all --json': 'in every datacenter, for a CI job',
    },
    args: [SERVICE],
    options: consul(TO_ASK),
    run: async () => (await import('./chain-policy.js')).lintChain,
  },
  {
    name: 'import-chain',
    summary: "write Consul's config entries of a service as a policy document",
    description:
      "Reads a service's discovery chain and prints the policy document that decides alike, with the subsets of the " +
      "service's resolver that no call goes to yet. What a document cannot say is told on standard error by its path. " +
      IMPORT_ENDS,
    examples: {
      'graylane policy import-chain payments -o payments.yaml': 'to be reviewed, and applied',
      'graylane simulate payments --policy chain --against payments.yaml': 'whether anybody would move',
    },
    args: [SERVICE],
    options: [...consul(), OUTPUT, STRICT],
    run: async () => (await import('./chain-policy.js')).importChain,
  },
  {
    name: 'lint-entries',
    summary: "judge files of Consul's config entries before they are written",
    description:
      'Compiles routers, splitters and resolvers from files as Consul does, and tells what Consul would refuse and what ' +
      'clients of this library do not honour, with file, line and path. Ends with 1 if there is anything.',
    examples: {
      'graylane policy lint-entries payments-router.hcl payments-resolver.hcl': 'before consul config write',
      'graylane policy lint-entries deploy/consul/ --json': 'all of a folder, for a CI job',
    },
    args: [ENTRY_FILES],
    options: [
      option('--service <name>', 'only this one; default: every service that the files have entries of'),
      ENTRY_DC,
    ],
    run: async () => (await import('./entry-files.js')).lintEntryFiles,
  },
  {
    name: 'import-entries',
    summary: "write files of Consul's config entries as a policy document",
    description:
      'Compiles routers, splitters and resolvers from files as Consul does, and prints the policy document that decides ' +
      'alike. What a document cannot say is told on standard error with file, line and path. ' +
      IMPORT_ENDS,
    examples: {
      'graylane policy import-entries deploy/consul/ --service payments -o payments.yaml':
        'to be reviewed, and applied',
      'consul config read -kind service-splitter -name payments | graylane policy import-entries - resolver.hcl':
        'one from Consul, one from a file',
    },
    args: [ENTRY_FILES],
    options: [option('--service <name>', 'whose chain; default: the only one'), ENTRY_DC, OUTPUT, STRICT],
    run: async () => (await import('./entry-files.js')).importEntryFiles,
  },
  {
    name: 'import-istio',
    summary: "write Istio's VirtualService and DestinationRule as a policy document",
    description:
      'Reads the resources of one service and prints the policy document that comes closest. Each field that is not in it ' +
      'is told on standard error with file, line and path. ' +
      IMPORT_ENDS,
    examples: {
      'graylane policy import-istio istio.yaml -o payments.yaml': 'to be reviewed, and applied',
      'graylane policy import-istio base/ overlays/prod/ --service payments': 'from several folders',
      'kubectl get vs,dr -A -o yaml | graylane policy import-istio - --service payments.shop': 'from a cluster',
    },
    args: [IMPORT_FILES],
    options: [
      option('--service <name>', 'whose rules, with its namespace where several have the name; default: the only one'),
      option('--labels <form>', "what a subset's labels are in Consul: meta, or tags that are their values")
        .choices(['meta', 'tags'])
        .default('meta'),
      option('--gateway <name>', "a gateway's rules, namespace/name or name; default: those between services (mesh)"),
      option('--port <number>', 'the port of the service that calls go to, for matches by port', parseWhole),
      option('--fault-until <time>', 'when faults end, RFC 3339; default: faults are told and left out', parseTime),
      OUTPUT,
      STRICT,
    ],
    run: async () => (await import('./import-policy.js')).importIstioFiles,
  },
  {
    name: 'import-gateway',
    summary: "write the Gateway API's HTTPRoute and GRPCRoute as a policy document",
    description:
      'Reads the routes of one Service (GAMMA), or of a Gateway, and prints the policy document that comes closest: a route ' +
      'for each match, in the order of precedence. Each field that is not in it is told on standard error with file, ' +
      'line and path. ' +
      IMPORT_ENDS,
    examples: {
      'graylane policy import-gateway routes.yaml -o payments.yaml': 'routes of a Service',
      'graylane policy import-gateway routes/ --gateway shop/public --service payments': 'those of a Gateway',
    },
    args: [IMPORT_FILES],
    options: [
      option('--service <name>', 'whose routes, with its namespace where several have the name; default: the only one'),
      option('--gateway <name>', "a Gateway's routes, namespace/name or name; default: those of a Service"),
      OUTPUT,
      STRICT,
    ],
    run: async () => (await import('./import-policy.js')).importGatewayFiles,
  },
];
