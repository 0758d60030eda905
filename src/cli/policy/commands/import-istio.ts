import { type Command, Option } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

export interface ImportIstioFlags {
  readonly json?: boolean;
  readonly service?: string;
  readonly labels: 'meta' | 'tags';
  readonly output?: string;
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
      const { importIstioFile } = await import('../import-istio.js');
      await importIstioFile(file, flags, io);
    });
}
