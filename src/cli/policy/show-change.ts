import { createTwoFilesPatch } from 'diff';
import { stringify } from 'yaml';
import type { Difference } from '../../ops/compare/differences';
import { parseStored } from '../../ops/store/policy-store';
import { nameOf } from '../consul/store-session';
import type { CommandIo } from '../io';
import { harmsOf, isUnchanged, type PlannedChange, percent } from './planned-change';

const SHOWN_CHARACTERS = 100;

/** Shows what a change means, then how its text differs. */
export function showChange(change: PlannedChange, io: CommandIo): void {
  const { stored, after, differences, moved, remarks } = change;
  const { colors } = io;
  const place = `${stored.service} in ${nameOf(stored.datacenter)}`;
  for (const remark of remarks) io.note(`${colors.yellow('note')} ${remark}`);
  if (isUnchanged(change)) {
    io.line(`${place}: unchanged, ${after.revision}`);
    return;
  }
  io.line(colors.bold(`${place}: ${change.before?.revision ?? 'no policy'} -> ${after.revision}`));
  for (const difference of differences) io.line(`  ${describeDifference(difference, io)}`);
  for (const { route, of, moved: share, needed } of moved) {
    const who = of === 'split' ? 'sticky callers move' : 'sampled callers change';
    io.line(`  route ${route}: ${percent(share)} of its ${who} (${percent(needed)} has to)`);
  }
  for (const line of textPatch(change)) {
    if (line.startsWith('-')) io.line(colors.red(line));
    else if (line.startsWith('+')) io.line(colors.green(line));
    else if (line !== '') io.line(line.startsWith('@@') ? colors.dim(line) : line);
  }
}

/** How the text differs, as lines of a unified patch over YAML. */
export function textPatch({ stored, text }: PlannedChange): readonly string[] {
  const before = readable(stored.policy?.text);
  return createTwoFilesPatch('in Consul', 'new', before, readable(text), '', '', { context: 3 }).split('\n').slice(1);
}

/** The same for `--json`. */
export function changeAsData(change: PlannedChange): Record<string, unknown> {
  const { stored, before, after, differences, moved, reshuffles, overloads, remarks } = change;
  return {
    service: stored.service,
    datacenter: nameOf(stored.datacenter),
    from: before?.revision ?? null,
    to: after.revision,
    differences,
    movedCallers: moved,
    refusals: [...reshuffles, ...harmsOf(change), ...overloads],
    effect: change.effect?.findings ?? null,
    remarks,
  };
}

export function describeDifference(
  { path, kind, before, after }: Difference,
  { colors }: Pick<CommandIo, 'colors'>,
): string {
  const name = path === '' ? 'policy' : path;
  switch (kind) {
    case 'added':
      return colors.green(`+ ${name}: ${show(after)}`);
    case 'removed':
      return colors.red(`- ${name}: ${show(before)}`);
    case 'changed':
      return colors.yellow(`~ ${name}: ${show(before)} -> ${show(after)}`);
    case 'moved':
      return colors.yellow(`~ ${name}: order ${show(before)} -> ${show(after)}`);
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}

/** YAML compares best by eye. Text that is no JSON is compared as it is. */
function readable(text: string | undefined): string {
  if (text === undefined) return '';
  const value = parseStored(text);
  return value === undefined ? text : stringify(value, { aliasDuplicateObjects: false });
}
