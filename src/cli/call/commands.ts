import { InvalidArgumentError } from 'commander';
import { argument, type CommandDefinition, option } from '../command';
import {
  consul,
  LOCAL_FIRST,
  POLICY_SOURCE,
  parseDuration,
  parseLabel,
  parseMethodName,
  parsePositive,
  parseSeconds,
  parseWhole,
  percentParser,
  repeated,
  SERVICE,
} from '../flags';
import { type LabelMix, parseLabelMix } from './label-mix';

const asGiven = (text: string): string => text;
/** What `call` and `load` have in common. */
const CALL = [
  ...consul(LOCAL_FIRST),
  option(
    '--proto <file>',
    'a .proto file, instead of server reflection; may be given several times',
    repeated(asGiven),
  ),
  option(
    '-I, --include <folder>',
    'where imports of --proto are looked for; may be given several times',
    repeated(asGiven),
  ),
  POLICY_SOURCE,
  option('--timeout <seconds>', 'deadline of a call', parseSeconds, 10),
  option('--tls', 'over TLS, by the authorities that Node knows'),
  option('--ca-file <file>', 'over TLS, by these authorities (PEM)'),
  option('--cert-file <file>', 'certificate of the client (PEM), with --key-file'),
  option('--key-file <file>', 'its key (PEM)'),
  option('-d, --data <json>', 'the request as JSON, a list of them for a stream; - is standard input; default: {}'),
];

export const call: CommandDefinition = {
  name: 'call',
  summary: 'call a method of a service as a client does, and tell where the call went',
  description:
    'Calls a service in Consul through a client of this library: routes, canary, breakers and failover are those of every ' +
    'client. Methods are known by server reflection or from --proto. Without a method, lists those that there are. Answers ' +
    'go to standard output, where the call went to standard error. Ends with 1 when the call did not end with OK.',
  examples: {
    'graylane call payments': 'which methods there are',
    'graylane call payments shop.v1.Payments/Charge -d \'{"order":"o-1"}\' -l x-gray=canary':
      'as a tester of the canary',
    "graylane call payments shop.v1.Payments/Charge --proto payments.proto -I proto -d '{}'": 'without reflection',
    "graylane call payments shop.v1.Payments/Upload -d '[{},{}]' --json": 'two requests of a stream; all as data',
  },
  args: [SERVICE, argument('[method]', 'package.Service/Method', parseMethodName)],
  options: [
    ...CALL,
    option('-l, --label <key=value>', 'metadata of the call; may be given several times', parseLabel, {}),
  ],
  run: async () => (await import('./call-method.js')).callMethod,
};

export const load: CommandDefinition = {
  name: 'load',
  summary: 'call a method at a rate with a mix of labels, and tell where the calls went',
  description:
    'A load test with gray metadata: real calls to a service in Consul, begun at an even rate whatever the answers take, ' +
    'through a client of this library. Shows by subset, version and instance how many calls went there, what they ended ' +
    'with and how long they took: live on a terminal, and at the end. Ends with 1 when calls failed.',
  examples: {
    "graylane load payments shop.v1.Payments/Charge -d '{}'": '10 calls a second for 10 seconds',
    "graylane load payments shop.v1.Payments/Charge --rate 200 --duration 1m -l 'x-user-id=u-{1..1000}'":
      'by a thousand callers; quote the braces, or the shell expands them',
    'graylane load payments shop.v1.Payments/Upload --messages 100': 'streams of a hundred requests each',
    "graylane load payments shop.v1.Payments/Charge -l 'x-gray={canary:10%}' --json":
      'a tenth of the calls bears a label, the others do not',
  },
  args: [SERVICE, argument('<method>', 'package.Service/Method', parseMethodName)],
  options: [
    ...CALL,
    option(
      '-l, --label <key=value>',
      'metadata; u-{1..1000}: one of them; {a,b}: either; {a:10%,b:5%}: so many calls; may be given several times',
      repeated(labelMix),
      [],
    ),
    option('--rate <number>', 'calls a second, at most 5000', parsePositive, 10),
    option('--duration <duration>', 'such as 30s or 5m, at most 1h', parseDuration, 10_000),
    option('--concurrency <number>', 'calls at once, at most 1000; what is due above is left out', parseWhole, 64),
    option('--messages <number>', 'how many times a stream of requests sends --data', parseWhole, 1),
    option('--max-failures <percent>', 'of the calls that may fail before it ends with 1', percentParser(15, ''), 0),
    option('--seed <n>', 'seeds the choice of labels; default: chance', parseWhole),
  ],
  run: async () => (await import('./load-method.js')).loadMethod,
};

function labelMix(text: string): LabelMix {
  const mix = parseLabelMix(text);
  if (typeof mix !== 'string') return mix;
  throw new InvalidArgumentError(mix);
}
