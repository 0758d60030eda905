import type { DocumentPath } from './document-path';

/** 1-based. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where the parts of a text stand, for messages. Built while parsing, dropped once the document is judged. */
export interface Positions {
  /** The nearest part that the text has: the path itself, else the closest of its parents. */
  locate(path: DocumentPath): Position | undefined;
}

/** Filled by a parser: offsets of the entries (an object's key, a list's item). */
export interface PositionIndex extends Positions {
  add(path: DocumentPath, offset: number): void;
  positionOf(offset: number): Position;
}

export function createPositionIndex(text: string): PositionIndex {
  const root: Entry = { offset: undefined, children: undefined };
  let lineStarts: number[] | undefined;
  const positionOf = (offset: number): Position => {
    lineStarts ??= findLineStarts(text);
    let low = 0;
    let high = lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
  };
  return {
    add(path, offset) {
      let entry = root;
      for (const part of path) {
        entry.children ??= new Map();
        let child = entry.children.get(part);
        if (child === undefined) {
          child = { offset: undefined, children: undefined };
          entry.children.set(part, child);
        }
        entry = child;
      }
      entry.offset = offset;
    },
    positionOf,
    locate(path) {
      let entry: Entry | undefined = root;
      let offset = root.offset;
      for (const part of path) {
        entry = entry.children?.get(part);
        if (entry === undefined) break;
        offset = entry.offset ?? offset;
      }
      return offset === undefined ? undefined : positionOf(offset);
    },
  };
}

/** A part of the text. A tree of them takes what the text takes, however long its keys and deep its objects are. */
interface Entry {
  offset: number | undefined;
  children: Map<string | number, Entry> | undefined;
}

function findLineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
