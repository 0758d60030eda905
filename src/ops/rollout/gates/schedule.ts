import { parseTimestamp } from '../../../policy/override';
import type { FreezeDocument, HoursDocument, ScheduleDocument, Weekday } from './gate-document';

/** In the order of a week. */
export const WEEKDAYS: readonly Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** The schedule is closed. */
export interface ClosedSchedule {
  /** A sentence for the status: why, and until when. */
  readonly message: string;
  /** When to look again, wall clock: when the freeze ends, or the hours begin. */
  readonly untilMs: number;
}

const MINUTE_MS = 60_000;
/** The offsets of all time zones are multiples of it. */
const QUARTER_MS = 15 * MINUTE_MS;
const WEEK_MS = 7 * 24 * 60 * MINUTE_MS;

/** Why no step may begin now; undefined: it may. `nowMs`: wall clock. Pure. */
export function closedSchedule(schedule: ScheduleDocument | undefined, nowMs: number): ClosedSchedule | undefined {
  if (schedule === undefined) return undefined;
  const freeze = schedule.freeze?.find((each) => isWithin(each, nowMs));
  if (freeze !== undefined) {
    const why = freeze.reason === undefined ? '' : ` (${freeze.reason})`;
    const untilMs = parseTimestamp(freeze.until) ?? nowMs + MINUTE_MS;
    return { message: `a freeze until ${freeze.until}${why}`, untilMs };
  }
  const { hours, timeZone = 'UTC' } = schedule;
  if (hours === undefined) return undefined;
  const local = createLocalClock(timeZone);
  if (isOpen(hours, local(nowMs))) return undefined;
  const untilMs = nextOpening(hours, local, nowMs);
  const { day, clock } = local(untilMs);
  return { message: `the hours of the schedule, from ${day} ${clock} on (${timeZone})`, untilMs };
}

function isWithin({ from, until }: FreezeDocument, nowMs: number): boolean {
  const fromMs = parseTimestamp(from);
  const untilMs = parseTimestamp(until);
  return fromMs !== undefined && untilMs !== undefined && fromMs <= nowMs && nowMs < untilMs;
}

interface LocalTime {
  readonly day: Weekday;
  /** `09:00` */
  readonly clock: string;
}

function isOpen(hours: readonly HoursDocument[], { day, clock }: LocalTime): boolean {
  return hours.some(({ days = WEEKDAYS, from, until }) => days.includes(day) && from <= clock && clock < until);
}

/** The next minute at which hours begin: tries those minutes of each quarter of an hour of the week to come. */
function nextOpening(hours: readonly HoursDocument[], local: (atMs: number) => LocalTime, nowMs: number): number {
  const minutes = [...new Set([0, ...hours.map(({ from }) => Number(from.slice(3)) % 15)])].sort((a, b) => a - b);
  for (let quarter = Math.floor(nowMs / QUARTER_MS) * QUARTER_MS; quarter <= nowMs + WEEK_MS; quarter += QUARTER_MS) {
    for (const minute of minutes) {
      const atMs = quarter + minute * MINUTE_MS;
      if (atMs > nowMs && isOpen(hours, local(atMs))) return atMs;
    }
  }
  // All hours are among those that a change of the clocks leaves out.
  return nowMs + WEEK_MS;
}

function createLocalClock(timeZone: string): (atMs: number) => LocalTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return (atMs) => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
    const day = (parts.get('weekday') ?? '').toLowerCase() as Weekday;
    return { day, clock: `${parts.get('hour')}:${parts.get('minute')}` };
  };
}

/** Whether this process knows the time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
