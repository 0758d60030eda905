import { type Command, InvalidArgumentError } from 'commander';
import { type ConsulFlags, withConsul } from '../consul/consul-connection';
import { defineCommand } from '../define-command';
import { parseLabel } from '../explain/explain';
import { type PolicySourceName, policySourceOption } from '../input/policy-source';
import type { CommandIo } from '../io';
import { parsePositive } from '../parse-flag';

/** What {@link withCallFlags} adds: where the method comes from, and how the service is reached. */
export interface MethodFlags extends ConsulFlags {
  readonly proto?: readonly string[];
  readonly include?: readonly string[];
  readonly policy?: PolicySourceName;
  /** Of one call. */
  readonly timeout: number;
  readonly tls?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface CallFlags extends MethodFlags {
  readonly data?: string;
  readonly label: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

export function callCommand(io: CommandIo): Command {
  const command = defineCommand('call', {
    summary: 'call a method of a service as a client does, and tell where the call went',
    description:
      'Calls a service in Consul through a client of this library: routes, canary, breakers and failover are those of every ' +
      'client. Methods are known by server reflection or from --proto. Without a method, lists those that there are. Answers ' +
      'go to standard output, where the call went to standard error. Ends with 1 when the call did not end with OK.',
    examples: [
      ['graylane call payments', 'which methods there are'],
      [
        'graylane call payments shop.v1.Payments/Charge -d \'{"order":"o-1"}\' -l x-gray=canary',
        'as a tester of the canary',
      ],
      ["graylane call payments shop.v1.Payments/Charge --proto payments.proto -I proto -d '{}'", 'without reflection'],
      ["graylane call payments shop.v1.Payments/Upload -d '[{},{}]' --json", 'two requests of a stream; all as data'],
    ],
  });
  return withCallFlags(command)
    .argument('<service>', 'name in Consul')
    .argument('[method]', 'package.Service/Method', parseMethodName)
    .option('-d, --data <json>', 'the request as JSON, a list of them for a stream; - is standard input; default: {}')
    .option('-l, --label <key=value>', 'metadata of the call; may be given several times', parseLabel, {})
    .action(async (service: string, method: string | undefined, flags: CallFlags) => {
      const { callMethod } = await import('./call-method.js');
      await callMethod(service, method, flags, io);
    });
}

/** Adds what `call` and `load` have in common. */
export function withCallFlags(command: Command): Command {
  const dc = 'datacenters, the local one first, with commas, or all; default: the one of the agent';
  return withConsul(command, dc)
    .option('--proto <file>', 'a .proto file, instead of server reflection; may be given several times', several)
    .option('-I, --include <folder>', 'where imports of --proto are looked for; may be given several times', several)
    .addOption(policySourceOption())
    .option('--timeout <seconds>', 'deadline of a call', parsePositive, 10)
    .option('--tls', 'over TLS, by the authorities that Node knows')
    .option('--ca-file <file>', 'over TLS, by these authorities (PEM)')
    .option('--cert-file <file>', 'certificate of the client (PEM), with --key-file')
    .option('--key-file <file>', 'its key (PEM)');
}

/** `package.Service/Method`, `/package.Service/Method` or `package.Service.Method`; as the second of them. */
export function parseMethodName(text: string): string {
  const found = /^\/?([\w.]+)[/.](\w+)$/.exec(text);
  if (found === null) throw new InvalidArgumentError('(expected: package.Service/Method)');
  return `/${found[1]}/${found[2]}`;
}

function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
