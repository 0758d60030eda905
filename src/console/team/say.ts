import type { Difference } from '../../ops/compare/differences';
import type { Tone } from '../kit/badge';
import { formatTime } from '../kit/i18n';
import { words as t } from './words';

/** `5 min ago`; of times further back the date. */
export function ago(time: string, nowMs: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return time;
  if (seconds < 60) return t('justNow');
  if (seconds < 3600) return t('minutesAgo', { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t('hoursAgo', { n: Math.floor(seconds / 3600) });
  return dateAndTime(time);
}

/** In the reader's own time. */
export function dateAndTime(time: string): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatTime(time)}`;
}

/** `1 h 12 min`, `4 min 05 s`; what is left of something that ends by itself. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return t('hoursMinutes', { h: hours, m: minutes });
  return t('minutesSeconds', { m: minutes, s: String(seconds % 60).padStart(2, '0') });
}

/** An accessor is long, and its first digits tell it from others. */
export function shortAuthor(author: string): string {
  return /^[\da-f]{8}-[\da-f-]{27}$/.test(author) ? author.slice(0, 8) : author;
}

const TONES: Readonly<Record<string, Tone>> = {
  running: 'accent',
  paused: 'warn',
  inconclusive: 'warn',
  aborted: 'bad',
  completed: 'good',
};

export function stateTone(state: string): Tone {
  return TONES[state] ?? 'quiet';
}

export function stateWord(state: string): string {
  if (state === 'running' || state === 'paused' || state === 'inconclusive') return t(`state.${state}`);
  return state === 'aborted' || state === 'completed' ? t(`state.${state}`) : state;
}

/** Percent of a share in [0, 1], as the command writes it. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const SHOWN = 100;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

const MARKS = { added: '+', removed: '−', changed: '~', moved: '~' } as const;

/** `~ routes[everyone].split[canary].weight: 5 → 25` */
export function describeDifference({ path, kind, before, after }: Difference): string {
  const values = kind === 'added' ? [after] : kind === 'removed' ? [before] : [before, after];
  return `${MARKS[kind]} ${path === '' ? t('policy') : path}: ${values.map(shown).join(' → ')}`;
}
