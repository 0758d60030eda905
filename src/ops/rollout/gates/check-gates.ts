import { parseTimestamp } from '../../../policy/override';
import { ownValue } from '../../../policy/plain-data';
import { type DocumentPath, note, type ProblemList } from '../../../policy/problems';
import { listOf } from '../../../policy/validation/matches';
import { isTimeZone } from './schedule';

/** Checks what a schema cannot express of `gates`: steps that there are not, a gate twice at one moment. */
export function checkGates(document: unknown, problems: ProblemList): void {
  const steps = listOf(ownValue(document, 'steps')).length;
  const seen = new Set<string>();
  for (const [index, entry] of listOf(ownValue(document, 'gates')).entries()) {
    const at: DocumentPath = ['gates', index];
    const [gate, when, numbers] = ['gate', 'when', 'steps'].map((key) => ownValue(entry, key));
    const moment = `${String(gate)} ${String(when)}`;
    if (seen.has(moment))
      problems.report([...at, 'gate'], note(`${moment}, given twice`), 'each gate once at a moment');
    seen.add(moment);
    if (numbers !== undefined && typeof when === 'string' && when !== 'before-step') {
      problems.report([...at, 'steps'], note('given'), 'only with when: before-step');
    }
    const list = listOf(numbers);
    for (const [position, number] of list.entries()) {
      if (typeof number !== 'number') continue;
      if (list.indexOf(number) < position) {
        problems.report([...at, 'steps', position], note(`${number}, given twice`), 'each step once');
      }
      if (number > steps) problems.report([...at, 'steps', position], number, `a step of the rollout, 1 to ${steps}`);
    }
  }
}

/** Checks what a schema cannot express of `schedule`: time zones, and hours and freezes that end before they begin. */
export function checkSchedule(schedule: unknown, path: DocumentPath, problems: ProblemList): void {
  const zone = ownValue(schedule, 'timeZone');
  if (typeof zone === 'string' && !isTimeZone(zone)) {
    problems.report([...path, 'timeZone'], zone, 'a time zone that this machine knows, such as Europe/Berlin');
  }
  for (const [index, hours] of listOf(ownValue(schedule, 'hours')).entries()) {
    const [from, until] = [ownValue(hours, 'from'), ownValue(hours, 'until')];
    if (typeof from !== 'string' || typeof until !== 'string' || from < until) continue;
    problems.report([...path, 'hours', index, 'until'], until, `later than from, ${from}; a night is two entries`);
  }
  for (const [index, freeze] of listOf(ownValue(schedule, 'freeze')).entries()) {
    const at: DocumentPath = [...path, 'freeze', index];
    const [from, until] = (['from', 'until'] as const).map((key) => {
      const text = ownValue(freeze, key);
      const time = typeof text === 'string' ? parseTimestamp(text) : undefined;
      if (typeof text === 'string' && time === undefined) problems.report([...at, key], text, 'a day that exists');
      return time;
    });
    if (from === undefined || until === undefined || from < until) continue;
    problems.report([...at, 'until'], String(ownValue(freeze, 'until')), 'later than from');
  }
}
