import { createTwoFilesPatch } from 'diff';
import picocolors from 'picocolors';
import type { Difference } from '../../ops/compare/differences';
import type { ConsulFlags } from '../consul/consul-connection';
import { inSlices, nameOf, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { readValidPolicies } from '../policy-files';
import {
  effectProblemsOf,
  isDifferent,
  isUnchanged,
  noteFailures,
  type PlannedChange,
  type PlannedService,
  percent,
  planService,
} from './planned-change';
import { readable } from './read-policies';

const SHOWN_CHARACTERS = 100;

/** Shows what a change means, then how its text differs. */
export function showChange(change: PlannedChange, io: CommandIo): void {
  if (io.asJson) return;
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
function textPatch({ stored, text }: PlannedChange): readonly string[] {
  const before = stored.policy === undefined ? '' : readable(stored.policy.text);
  return createTwoFilesPatch('in Consul', 'new', before, readable(text), '', '', { context: 3 }).split('\n').slice(1);
}

/** The same for `--json`. */
export function changeAsData(change: PlannedChange): Readonly<Record<string, unknown>> {
  const { stored, before, after, differences, moved, reshuffles, overloads, remarks } = change;
  return {
    service: stored.service,
    datacenter: nameOf(stored.datacenter),
    from: before?.revision ?? null,
    to: after.revision,
    differences,
    movedCallers: moved,
    refusals: [...reshuffles, ...effectProblemsOf(change), ...overloads],
    effect: change.effect?.findings ?? null,
    remarks,
  };
}

const MARKS = {
  added: ['green', '+'],
  removed: ['red', '-'],
  changed: ['yellow', '~'],
  moved: ['yellow', '~'],
} as const;

function describeDifference({ path, kind, before, after }: Difference, { colors }: Pick<CommandIo, 'colors'>): string {
  const [color, mark] = MARKS[kind];
  // What is added has no value before, and what is removed has none after.
  const values = kind === 'added' ? [after] : kind === 'removed' ? [before] : [before, after];
  const what = `${kind === 'moved' ? 'order ' : ''}${values.map(show).join(' -> ')}`;
  return colors[color](`${mark} ${path === '' ? 'policy' : path}: ${what}`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}

const PLAIN = { colors: picocolors.createColors(false) };

/** A change as Markdown, for a merge request on GitHub, GitLab or Gitea. */
function changeAsMarkdown(change: PlannedChange): string {
  const { stored, before, after, differences, moved, reshuffles, overloads, remarks } = change;
  const harms = effectProblemsOf(change);
  const title = `### \`${stored.service}\` in ${nameOf(stored.datacenter)}`;
  if (isUnchanged(change)) return `${title}\n\nUnchanged, \`${after.revision}\`.\n\n`;
  const callers = moved.map(({ route, of, moved: share, needed }) => {
    const who = of === 'split' ? 'sticky callers' : 'sampled callers';
    return `- route \`${route}\`: **${percent(share)}** of its ${who} move (${percent(needed)} has to)`;
  });
  const doubts = [...harms, ...reshuffles, ...overloads].map((text) => `- :warning: ${asText(text)}`);
  const notes = remarks.map((text) => `- ${asText(text)}`);
  const parts = [
    title,
    `\`${before?.revision ?? 'no policy'}\` → \`${after.revision}\``,
    // Values may hold anything: a list of code spans keeps them from being read as Markdown.
    differences.map((difference) => `- ${asCode(describeDifference(difference, PLAIN))}`).join('\n'),
    [...callers, ...doubts, ...notes].join('\n'),
    `<details><summary>The text</summary>\n\n${fenced(textPatch(change).filter((line) => line !== ''))}\n\n</details>`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n\n`;
}

/** Longer than any run of backticks inside. */
function fence(text: string, least: number): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  return '`'.repeat(Math.max(least, longest + 1));
}

function asCode(text: string): string {
  const plain = text.replace(/\s+/g, ' ');
  const ticks = fence(plain, 1);
  return ticks.length === 1 ? `\`${plain}\`` : `${ticks} ${plain} ${ticks}`;
}

function asText(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>#|]/g, '\\$&');
}

function fenced(lines: readonly string[]): string {
  const text = lines.join('\n');
  const ticks = fence(text, 3);
  return `${ticks}diff\n${text}\n${ticks}`;
}

/** `policy diff`: ends with 1 when something differs, as diff does. */
export async function diffFiles(
  paths: readonly string[],
  flags: ConsulFlags & { readonly markdown?: boolean },
  io: CommandIo,
): Promise<void> {
  const valid = await readValidPolicies(paths, io);
  await withStore(flags, io, async (session) => {
    showDifferences(await inSlices(valid, (each) => planService(each, session, undefined)), flags.markdown, io);
  });
}

/** Sets exit code 1 when something differs, or a datacenter did not say what it has. */
export function showDifferences(
  planned: readonly PlannedService[],
  markdown: boolean | undefined,
  io: CommandIo,
): void {
  const changes = planned.flatMap((each) => each.changes);
  io.json(changes.map(changeAsData));
  for (const change of changes) {
    if (markdown === true) io.write(changeAsMarkdown(change));
    else {
      showChange(change, io);
      for (const text of effectProblemsOf(change)) io.line(`${io.colors.yellow('warning')} ${text}`);
    }
  }
  for (const each of planned) noteFailures(each, planned.length > 1, io);
  if (planned.some(isDifferent)) io.exitCode = 1;
}
