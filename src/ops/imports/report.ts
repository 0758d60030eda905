import { shortenMiddle, showValue } from '../../base/shorten';
import { parseDuration } from '../../policy/chain/graph';
import { type Fields, fieldsOf } from '../../policy/chain/report';
import type { PolicyProblem } from '../../policy/plan';
import type { DocumentPath } from '../../policy/problems';
import type { SourceDocument, SourceFault } from './sources';

/** Something that the policy does not say, by its place. */
export interface ImportLoss extends PolicyProblem {
  /** As messages call the text that it stands in; undefined where it is of no text. */
  readonly file: string | undefined;
  /** Position of the document in that text; the first is 1. */
  readonly document: number | undefined;
}

const MOST_PATH_CHARACTERS = 200;
const MOST_TEXT_CHARACTERS = 1_000;
const MOST_LOSSES = 1_000;
/** The longest that a document takes: 24 days. */
const LONGEST_MS = 2_147_483_647;

/** Gathers what an import leaves out, each loss once for each place, and what to know besides. Bounded. */
export class ImportReport {
  readonly #losses = new Map<string, ImportLoss>();
  readonly #notes = new Set<string>();
  #more = 0;

  get losses(): readonly ImportLoss[] {
    if (this.#more === 0) return [...this.#losses.values()];
    const message = `${this.#more} more that are not told`;
    return [...this.#losses.values(), { path: '', message, file: undefined, document: undefined }];
  }

  get notes(): readonly string[] {
    return [...this.#notes];
  }

  /** `what`: what happens instead, or why not. */
  loss(source: SourceDocument | undefined, path: string, within: DocumentPath, what: string): void {
    const where = shortenMiddle(path, MOST_PATH_CHARACTERS);
    const message = `${where}: ${shortenMiddle(what, MOST_TEXT_CHARACTERS)}`;
    const key = JSON.stringify([source?.file, source?.document, path, message]);
    if (this.#losses.has(key)) return;
    if (this.#losses.size >= MOST_LOSSES) {
      this.#more += 1;
      return;
    }
    const place = { file: source?.file, document: source?.document };
    this.#losses.set(key, { path: where, message, ...place, ...source?.locate(within) });
  }

  /** A document that could not be read. */
  fault({ file, document, message, line, column }: SourceFault): void {
    const position = line === undefined ? {} : { line, column: column ?? 1 };
    const path = `document ${document}`;
    this.#losses.set(JSON.stringify([file, document]), {
      path,
      message: `${path}: ${message}`,
      file,
      document,
      ...position,
    });
  }

  /** A sentence that is no loss: how something was understood, or what does not concern this service. */
  note(text: string): void {
    if (this.#notes.size < MOST_LOSSES) this.#notes.add(shortenMiddle(text, MOST_TEXT_CHARACTERS));
  }

  /** For the fields of one resource. `name` begins its paths; `root` is where it stands in its document. */
  of(source: SourceDocument | undefined, name: string, root: DocumentPath = []): PlaceReport {
    return new PlaceReport(this, source, name, root);
  }
}

/** Tells of the fields of one resource, by paths that begin with its name: `VirtualService/payments.spec.http[0]`. */
export class PlaceReport {
  readonly name: string;
  readonly #report: ImportReport;
  readonly #source: SourceDocument | undefined;
  readonly #root: DocumentPath;

  constructor(report: ImportReport, source: SourceDocument | undefined, name: string, root: DocumentPath) {
    this.#report = report;
    this.#source = source;
    this.name = name;
    this.#root = root;
  }

  cannot(path: string, what: string): void {
    this.#report.loss(this.#source, path, this.#within(path), what);
  }

  /** The same into another report. */
  tell(report: ImportReport, path: string, what: string): void {
    report.loss(this.#source, path, this.#within(path), what);
  }

  note(path: string, what: string): void {
    this.#report.note(`${path}: ${what}`);
  }

  /** What stands in the file for a number or a boolean where a text is expected. */
  written(path: string, value: unknown): string {
    return this.#source?.writtenAt(this.#within(path)) ?? String(value);
  }

  /** The fields of an object. Every one that is there and not among `known` is a loss: `what` by name, else `other`. */
  read(
    value: unknown,
    path: string,
    known: readonly string[],
    what: Readonly<Record<string, string>> = {},
    other = 'not mapped',
  ): Fields {
    const fields = fieldsOf(value);
    for (const name of Object.keys(fields)) {
      if (known.includes(name) || fields[name] === undefined || fields[name] === null) continue;
      this.cannot(`${path}.${name}`, Object.hasOwn(what, name) ? `${what[name]}` : other);
    }
    return fields;
  }

  /** Milliseconds above 0 of a duration such as `1.5s`. Undefined without one; an unreadable one is a loss. */
  duration(value: unknown, path: string): number | undefined {
    if (value === undefined || value === null) return undefined;
    const ms = typeof value === 'string' ? parseDuration(value) : undefined;
    if (ms !== undefined && ms > LONGEST_MS)
      this.cannot(path, `${showValue(value)}; cut to ${LONGEST_MS} ms, the longest`);
    if (ms !== undefined && ms > 0) return Math.min(ms, LONGEST_MS);
    // The field's way to say that there is no limit.
    if (ms !== 0) this.cannot(path, `${showValue(value)} (expected: a duration such as 1.5s)`);
    return undefined;
  }

  /** A part of a split. Undefined, and a loss, for what is none. */
  weight(value: unknown, path: string): number | undefined {
    if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return value;
    this.cannot(path, `${this.written(path, value)} (expected: a number >= 0); left out`);
    return undefined;
  }

  /** From the text of a path to keys and indexes; nearly right is enough, as the nearest part is looked for. */
  #within(path: string): DocumentPath {
    const rest = path.startsWith(this.name) ? path.slice(this.name.length) : '';
    const parts = [...rest.matchAll(/\[(\d+)\]|\.([^.[\]]+)/g)];
    return [...this.#root, ...parts.map(([, index, key]) => (index === undefined ? (key ?? '') : Number(index)))];
  }
}
