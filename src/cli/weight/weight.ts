import { type Command, InvalidArgumentError } from 'commander';
import { defineCommand } from '../command';
import type { CommandIo } from '../io';
import { type ApplyFlags, applySettings, withApplyFlags } from '../policy/write-commands';

interface WeightFlags extends ApplyFlags {
  readonly route?: string;
}

export function weightCommand(io: CommandIo): Command {
  const command = defineCommand('weight', {
    summary: 'set the percentage of calls that a subset gets',
    description:
      'Changes one split of the policy in Consul: the subset gets so many percent, the others share what is left as they did ' +
      'before. Checks, shows and writes as policy apply does. The route is the one that matches every call, unless --route ' +
      'names another.',
    examples: [
      ["graylane weight payments canary 25 -m 'looks good at 5 %'", 'a quarter of the calls to the canary'],
      ["graylane weight payments canary 0 -m 'errors' --dc all", 'takes it out, everywhere'],
      ["graylane weight payments canary 50 --route beta -m 'half of the beta users'", 'of another route'],
      ['graylane weight payments canary 25 --dry-run', 'only shows what it would change'],
    ],
  });
  return withApplyFlags(command)
    .argument('<service>')
    .argument('<subset>')
    .argument('<percent>', '0 to 100; at most two decimals', parsePercent)
    .option('--route <name>', 'the route whose split is meant; default: the one that matches every call')
    .action(async (service: string, subset: string, percent: number, flags: WeightFlags) => {
      const { route, ...rest } = flags;
      const settings = applySettings(rest);
      const { changeWeight } = await import('./change-weight.js');
      await changeWeight({ service, subset, percent, route }, settings, io);
    });
}

/** `25`, `25%` and `0.5`. A bucket of a split is 0.01 %. */
function parsePercent(text: string): number {
  const value = /^\d{1,3}(?:\.\d{1,2})?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (!(value <= 100)) throw new InvalidArgumentError('(expected: 0 to 100, at most two decimals)');
  return value;
}
