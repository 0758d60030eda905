import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { status } from '@grpc/grpc-js';
import type { CallReport } from '../../client/grpc/call-scope';
import { byText } from '../describe';

/** Where calls went, and how they ended. */
interface Row extends Times {
  /** Who served; empty where no attempt was made. */
  readonly subset: string;
  readonly version: string;
  readonly instance: string;
  readonly datacenter: string;
  readonly calls: number;
  /** Percent of all calls. */
  readonly share: number;
  readonly codes: Readonly<Record<string, number>>;
}

interface Totals extends Times, Pick<Row, 'calls' | 'codes'> {
  readonly failed: number;
  /** Made more than once. */
  readonly retried: number;
  /** Served by another subset than the one that was decided on. */
  readonly fellBack: number;
}

interface Times {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

interface Cell {
  readonly place: Pick<Row, 'subset' | 'version' | 'instance' | 'datacenter'>;
  readonly codes: Map<string, number>;
  /** Microseconds. */
  readonly times: RecordableHistogram;
}

/** Counts reports of calls as they come; reading it changes nothing. */
export class Tally {
  readonly #cells = new Map<string, Cell>();
  readonly #all: Cell = cellOf({ subset: '', version: '', instance: '', datacenter: '' });
  #retried = 0;
  #fellBack = 0;

  add({ attempts, decision, code, durationMs }: CallReport, versionOf: (instance: string, dc: string) => string): void {
    const last = attempts.at(-1);
    const { subset = '', instance = '', datacenter = '' } = last ?? {};
    const version = last === undefined ? '' : versionOf(instance, datacenter);
    const key = [subset, version, instance, datacenter].join('\n');
    const cell = this.#cells.get(key) ?? cellOf({ subset, version, instance, datacenter });
    this.#cells.set(key, cell);
    for (const each of [cell, this.#all]) {
      const name = status[code] ?? String(code);
      each.codes.set(name, (each.codes.get(name) ?? 0) + 1);
      each.times.record(Math.max(1, Math.round(durationMs * 1000)));
    }
    if (attempts.length > 1) this.#retried += 1;
    if (last !== undefined && decision !== undefined && subset !== decision.subset) this.#fellBack += 1;
  }

  get totals(): Totals {
    const calls = this.#all.times.count;
    const codes = Object.fromEntries(this.#all.codes);
    const failed = calls - (codes['OK'] ?? 0);
    return { calls, failed, retried: this.#retried, fellBack: this.#fellBack, codes, ...timesOf(this.#all) };
  }

  /** By subset, then version, then the instance with the most calls. */
  get rows(): readonly Row[] {
    const all = this.#all.times.count;
    return [...this.#cells.values()]
      .map((cell) => ({
        ...cell.place,
        calls: cell.times.count,
        share: all === 0 ? 0 : (cell.times.count / all) * 100,
        codes: Object.fromEntries(cell.codes),
        ...timesOf(cell),
      }))
      .sort(
        (a, b) =>
          byText(a.subset, b.subset) ||
          byText(a.version, b.version) ||
          b.calls - a.calls ||
          byText(a.instance, b.instance),
      );
  }
}

function cellOf(place: Cell['place']): Cell {
  return { place, codes: new Map(), times: createHistogram() };
}

function timesOf({ times }: Cell): Times {
  const at = (percent: number): number => (times.count === 0 ? 0 : times.percentile(percent) / 1000);
  return { p50Ms: at(50), p95Ms: at(95), p99Ms: at(99) };
}
