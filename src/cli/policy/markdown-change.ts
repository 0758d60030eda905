import picocolors from 'picocolors';
import { nameOf } from '../consul/store-session';
import { harmsOf, isUnchanged, type PlannedChange, percent } from './planned-change';
import { describeDifference, textPatch } from './show-change';

const PLAIN = { colors: picocolors.createColors(false) };

/** A change for the description or a comment of a merge request: GitHub, GitLab and Gitea show it alike. */
export function changeAsMarkdown(change: PlannedChange): string {
  const { stored, before, after, differences, moved, reshuffles, overloads, remarks } = change;
  const harms = harmsOf(change);
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
