import { type Command, InvalidArgumentError } from 'commander';
import { type MethodFlags, parseMethodName, withCallFlags } from '../call/call';
import { CommandError } from '../command-error';
import { defineCommand } from '../define-command';
import type { CommandIo } from '../io';
import { parseDuration, parsePositive, parseWhole } from '../parse-flag';
import { type LabelMix, parseLabelMix } from './label-mix';

export interface LoadFlags extends MethodFlags {
  readonly data?: string;
  readonly label: readonly LabelMix[];
  /** Calls a second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Calls at once. */
  readonly concurrency: number;
  /** Times that a stream of requests sends those of `data`. */
  readonly messages: number;
  /** Percent of the calls. */
  readonly maxFailures: number;
  readonly seed?: number;
  readonly json?: boolean;
}

const MOST_CALLS_PER_SECOND = 5_000;
const MOST_AT_ONCE = 1_000;
const MOST_MESSAGES = 100_000;
const LONGEST_MS = 3_600_000;

export function loadCommand(io: CommandIo): Command {
  const command = defineCommand('load', {
    summary: 'call a method at a rate with a mix of labels, and tell where the calls went',
    description:
      'A load test with gray metadata: real calls to a service in Consul, begun at an even rate whatever the answers take, ' +
      'through a client of this library. Shows by subset, version and instance how many calls went there, what they ended ' +
      'with and how long they took: live on a terminal, and at the end. Ends with 1 when calls failed.',
    examples: [
      ["graylane load payments shop.v1.Payments/Charge -d '{}'", '10 calls a second for 10 seconds'],
      [
        "graylane load payments shop.v1.Payments/Charge --rate 200 --duration 1m -l 'x-user-id=u-{1..1000}'",
        'by a thousand callers; quote the braces, or the shell expands them',
      ],
      ['graylane load payments shop.v1.Payments/Upload --messages 100', 'streams of a hundred requests each'],
      [
        "graylane load payments shop.v1.Payments/Charge -l 'x-gray={canary:10%}' --json",
        'a tenth of the calls bears a label, the others do not',
      ],
    ],
  });
  return withCallFlags(command)
    .argument('<service>', 'name in Consul')
    .argument('<method>', 'package.Service/Method', parseMethodName)
    .option('-d, --data <json>', 'the request as JSON, a list of them for a stream; - is standard input; default: {}')
    .option(
      '-l, --label <key=value>',
      'metadata; u-{1..1000}: one of them; {a,b}: either; {a:10%,b:5%}: so many calls; may be given several times',
      (text: string, before: readonly LabelMix[]) => [...before, labelMix(text)],
      [],
    )
    .option('--rate <number>', `calls a second, at most ${MOST_CALLS_PER_SECOND}`, parsePositive, 10)
    .option('--duration <duration>', 'such as 30s or 5m, at most 1h', parseDuration, 10_000)
    .option(
      '--concurrency <number>',
      `calls at once, at most ${MOST_AT_ONCE}; what is due above is left out`,
      parseWhole,
      64,
    )
    .option('--messages <number>', 'how many times a stream of requests sends --data', parseWhole, 1)
    .option('--max-failures <percent>', 'of the calls that may fail before it ends with 1', parsePercent, 0)
    .option('--seed <n>', 'seeds the choice of labels; default: chance', parseWhole)
    .action(async (service: string, method: string, flags: LoadFlags) => {
      atMost('--rate', flags.rate, MOST_CALLS_PER_SECOND);
      atMost('--concurrency', flags.concurrency, MOST_AT_ONCE);
      atMost('--messages', flags.messages, MOST_MESSAGES);
      atMost('--duration', flags.duration / 1000, LONGEST_MS / 1000);
      const { loadMethod } = await import('./load-method.js');
      await loadMethod(service, method, flags, io);
    });
}

function labelMix(text: string): LabelMix {
  const mix = parseLabelMix(text);
  if (typeof mix !== 'string') return mix;
  throw new InvalidArgumentError(mix);
}

function parsePercent(text: string): number {
  const value = /^\d{1,3}(?:\.\d+)?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (!(value <= 100)) throw new InvalidArgumentError('(expected: 0 to 100)');
  return value;
}

function atMost(name: string, value: number, most: number): void {
  if (value > most) throw new CommandError(2, `${name}: ${value} (expected: at most ${most})`);
}
