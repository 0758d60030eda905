import { type Command, Option } from 'commander';
import { defineCommand } from '../command';
import { type ConsulFlags, withConsul } from '../consul/consul-connection';
import { parseWhole } from '../flags';
import type { CommandIo } from '../io';
import type { ValidateFlags } from './check-files';
import type { ImportChainFlags, ImportIstioFlags } from './import-policy';
import type { ReadFlags } from './read-policies';

export function policyListCommand(io: CommandIo): Command {
  const command = defineCommand('list', {
    summary: 'list the services that have a policy, and who changed each last',
    examples: [
      ['graylane policy list', "in the agent's own datacenter"],
      ['graylane policy list --dc all --json', 'in every datacenter, for a script'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent').action(
    async (flags: ConsulFlags) => {
      const { listPolicies } = await import('./read-policies.js');
      await listPolicies(flags, io);
    },
  );
}

export function policyValidateCommand(io: CommandIo): Command {
  return defineCommand('validate', {
    summary: 'tell everything that is wrong with policy files',
    description:
      'Tells every problem and warning in policy files, with line and column. Ends with 1 if there are problems; ' +
      'warnings alone do not make it fail.',
    examples: [
      ['graylane policy validate payments.yaml', 'one file'],
      ['graylane policy validate policies/ --json', 'all of a folder, for a CI job'],
      ['graylane policy validate payments.yaml --consul --dc all', 'also warns of subsets that have no instances'],
    ],
  })
    .argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')
    .option('--service <name>', 'the service that the files must be for; default: the one that each names')
    .option('--consul [address]', 'look in Consul, too; default address: CONSUL_HTTP_ADDR')
    .option('--token-file <file>', 'file with the ACL token; default: CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN')
    .option('--dc <name>', 'with --consul: datacenters to look in, with commas, or all; default: the one of the agent')
    .action(async (files: readonly string[], flags: ValidateFlags) => {
      const { validateFiles } = await import('./check-files.js');
      await validateFiles(files, flags, io);
    });
}

export function policyGetCommand(io: CommandIo): Command {
  const command = defineCommand('get', {
    summary: 'print the policy that is in force',
    description:
      'Prints the policy of a service as it stands in Consul. With several datacenters, which revision each has; ends ' +
      'with 1 when they diverge, or when there is no policy.',
    examples: [
      ['graylane policy get payments --yaml > payments.yaml', 'to edit it'],
      ['graylane policy get payments --dc all', 'whether all datacenters have the same'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent')
    .argument('<service>')
    .option('--yaml', 'print YAML instead of JSON')
    .action(async (service: string, flags: ReadFlags) => {
      const { getPolicy } = await import('./read-policies.js');
      await getPolicy(service, flags, io);
    });
}

export function policyDiffCommand(io: CommandIo): Command {
  const command = defineCommand('diff', {
    summary: 'show what policy files would change, and how many sticky callers move',
    description:
      'Shows what policy files would change against Consul: in meaning, in sticky callers that move, and in text. Ends ' +
      'with 1 when something differs.',
    examples: [
      ['graylane policy diff payments.yaml', 'before applying it'],
      ['graylane policy diff payments.yaml --dc all', 'against every datacenter, to find drift'],
      ['graylane policy diff policies/', 'all of a folder'],
      ['graylane policy diff payments.yaml --markdown', 'for a merge request'],
    ],
  });
  return withConsul(command, 'datacenters to compare with, with commas, or all; default: the one of the agent')
    .argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')
    .option('--markdown', 'print Markdown, for the comment of a merge request')
    .action(async (files: readonly string[], flags: ConsulFlags & { readonly markdown?: boolean }) => {
      const { diffFiles } = await import('./show-change.js');
      await diffFiles(files, { ...flags, json: flags.json === true }, io);
    });
}

export function policyLogCommand(io: CommandIo): Command {
  const command = defineCommand('log', {
    summary: 'list who changed a policy, when and why',
    description:
      'Lists the history of a policy, newest first. With --verify, checks that nobody changed it afterwards, and ends with ' +
      '1 if somebody did.',
    examples: [
      ['graylane policy log payments', 'the history'],
      ['graylane policy log payments --verify', 'whether it can be believed'],
      ['graylane policy log payments --verify --expect 9f86d081...', 'whether a digest noted before is still in it'],
      ['graylane policy log payments --verify --keys keys.pem', 'whether each policy was signed by one of these keys'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent')
    .argument('<service>')
    .option('-n, --limit <number>', 'the newest ones only', parseWhole)
    .option('--verify', 'check digests, numbers and indexes of the whole history')
    .option('--expect <digest>', 'with --verify: the digest of an entry that must be there')
    .option('--keys <file>', 'with --verify: public keys (PEM) of which one must have signed each policy')
    .action(async (service: string, flags: ReadFlags) => {
      const { showLog } = await import('./read-policies.js');
      await showLog(service, flags, io);
    });
}

export function policyShowCommand(io: CommandIo): Command {
  const command = defineCommand('show', {
    summary: 'print an earlier revision of a policy',
    examples: [
      ['graylane policy show 7 payments', 'number 7 of the log'],
      [
        'graylane policy show 3fa9c2 payments --json',
        'by the revision that spans and inspect() name; with author and digest',
      ],
    ],
  });
  return withConsul(command)
    .argument('<revision>', 'a number of the log, or the first four or more digits of a revision')
    .argument('<service>')
    .option('--yaml', 'print YAML instead of JSON')
    .action(async (revision: string, service: string, flags: ReadFlags) => {
      const { showRevision } = await import('./read-policies.js');
      await showRevision(revision, service, flags, io);
    });
}

export function policyTestCommand(io: CommandIo): Command {
  return defineCommand('test', {
    summary: 'hold a policy file against a table of calls and expected subsets',
    description:
      'Decides each call of a table and compares. A case has labels, method or stickyKey, and expects subset, route or ' +
      'shares (percent by subset). Ends with 1 when a case does not hold.',
    examples: [
      ['graylane policy test payments.yaml payments.cases.yaml', 'in a CI job, before it is applied'],
      [
        'graylane policy test payments.yaml cases.json --at 2026-12-01T10:00:00Z',
        'as if an override had to be judged then',
      ],
    ],
  })
    .argument('<file>', 'the policy, YAML or JSON; - is standard input')
    .argument('<cases>', 'a list of cases, YAML or JSON')
    .option('--at <time>', 'time that an override is held against, RFC 3339; default: now')
    .action(async (file: string, cases: string, flags: { readonly json?: boolean; readonly at?: string }) => {
      const { testPolicyFile } = await import('./check-files.js');
      await testPolicyFile(file, cases, flags, io);
    });
}

export function policyLintChainCommand(io: CommandIo): Command {
  const command = defineCommand('lint-chain', {
    summary: "tell which fields of Consul's config entries are not honoured",
    description:
      "Reads a service's discovery chain, which Consul compiles from its routers, splitters and resolvers, and tells every " +
      'field that clients of this library refuse, leave out or serve otherwise, and why. Ends with 1 if there are any.',
    examples: [
      ['graylane policy lint-chain payments', 'before targets get ?policy=chain'],
      ['graylane policy lint-chain payments --dc all --json', 'in every datacenter, for a CI job'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .action(async (service: string, flags: ConsulFlags) => {
      const { lintChain } = await import('./import-policy.js');
      await lintChain(service, flags, io);
    });
}

export function policyImportChainCommand(io: CommandIo): Command {
  const command = defineCommand('import-chain', {
    summary: "write Consul's config entries of a service as a policy document",
    description:
      "Reads a service's discovery chain and prints the policy document that decides alike. What a document cannot say is " +
      'told on standard error by its path; then it ends with 1.',
    examples: [
      ['graylane policy import-chain payments -o payments.yaml', 'to be reviewed, and applied'],
      ['graylane simulate payments --policy chain --against payments.yaml', 'whether anybody would move'],
    ],
  });
  return withConsul(command)
    .argument('<service>', 'name in Consul')
    .option('-o, --output <file>', 'where to write it, as JSON if the name ends in .json; default: standard output')
    .action(async (service: string, flags: ImportChainFlags) => {
      const { importChain } = await import('./import-policy.js');
      await importChain(service, flags, io);
    });
}

export function policyImportIstioCommand(io: CommandIo): Command {
  return defineCommand('import-istio', {
    summary: "write Istio's VirtualService and DestinationRule as a policy document",
    description:
      'Reads the resources of one service from a YAML file with one or several documents, and prints the policy document ' +
      'that comes closest. Every field that is not in it is told on standard error by its path; then it ends with 1.',
    examples: [
      ['graylane policy import-istio istio.yaml -o payments.yaml', 'to be reviewed, and applied'],
      ['kubectl get vs,dr -n shop -o yaml | graylane policy import-istio - --service payments', 'from a cluster'],
    ],
  })
    .argument('<file>', 'YAML or JSON; - is standard input')
    .option('--service <name>', 'whose rules; default: the only service in the file')
    .addOption(
      new Option('--labels <form>', "what a subset's labels are in Consul: meta, or tags that are their values")
        .choices(['meta', 'tags'])
        .default('meta'),
    )
    .option('-o, --output <file>', 'where to write it, as JSON if the name ends in .json; default: standard output')
    .action(async (file: string, flags: ImportIstioFlags) => {
      const { importIstioFile } = await import('./import-policy.js');
      await importIstioFile(file, flags, io);
    });
}
