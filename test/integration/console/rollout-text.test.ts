import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formOf, rolloutText } from '../../../src/console/team/rollout-text';
import { parseRollout } from '../../../src/ops/rollout/validate';
import { runHere } from '../cli/in-process';

const FORM = { canary: 'canary', stable: 'stable', weights: '5, 25,100', minutes: '', provider: '' };

/** What the command makes of the same. */
async function byCommand(args: readonly string[]): Promise<unknown> {
  const { stdout } = await runHere(['rollout', 'start', 'payments', ...args, '--dry-run', '--json'], {});
  return (JSON.parse(stdout) as { readonly document: unknown }).document;
}

describe('the text of the form', () => {
  it.each([
    ['nobody compares', FORM, ['--weights', '5,25,100']],
    ['clients compare', { ...FORM, provider: 'clients' }, ['--weights', '5,25,100', '--provider', 'clients']],
    ['it stays at each', { ...FORM, minutes: '10' }, ['--weights', '5,25,100', '--pause', '600']],
    ['parts of a minute', { ...FORM, minutes: '0.5' }, ['--weights', '5,25,100', '--pause', '30']],
    [
      'all of it, for other subsets',
      { ...FORM, canary: 'v2', stable: 'v1', minutes: '1', provider: 'metrics' },
      ['--weights', '5,25,100', '--pause', '60', '--provider', 'metrics', '--canary', 'v2', '--stable', 'v1'],
    ],
  ])('is the document of the command: %s', async (_, form, args) => {
    const { document, problems } = parseRollout(rolloutText('payments', form), 'yaml');
    expect(problems).toEqual([]);
    expect(document).toEqual(await byCommand(args));
  });

  it.each(['true', 'null', 'no', '1e3', 'a: b', "it's", 'x # y', '- z', '{', '0x10', '灰度'])(
    'keeps a name that YAML would take for something else: %s',
    (name) => {
      const form = { ...FORM, canary: name, provider: name };
      const read = parse(rolloutText(name, form));
      expect(read).toMatchObject({ service: name, canary: name, stable: 'stable', analysis: { provider: name } });
    },
  );

  it.each([
    ['5, 120', 'steps[1].setWeight: 120'],
    ['five', 'steps[0].setWeight: "five"'],
    ['', 'steps'],
  ])('leaves it to the check to say what is wrong: %j', (weights, says) => {
    const { problems } = parseRollout(rolloutText('payments', { ...FORM, weights }), 'yaml');
    expect(problems[0]?.message).toContain(says);
  });

  it.each([
    [['stable', 'canary'], 'canary', 'stable'],
    [['v1', 'v2'], 'v2', 'v1'],
    [['canary', 'base'], 'canary', 'base'],
    [['only'], 'canary', 'only'],
    [[], 'canary', 'stable'],
  ])('begins with the subsets that there are: %j', (subsets, canary, stable) => {
    expect(formOf(subsets)).toMatchObject({ canary, stable });
  });
});
