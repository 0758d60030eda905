import { type DocumentPath, formatPath } from './document-path';

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
  const offsets = new Map<string, number>();
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
    add: (path, offset) => offsets.set(keyOf(path), offset),
    positionOf,
    locate(path) {
      for (let length = path.length; length >= 0; length -= 1) {
        const offset = offsets.get(keyOf(path.slice(0, length)));
        if (offset !== undefined) return positionOf(offset);
      }
      return undefined;
    },
  };
}

/** The shown path shortens long keys, so it cannot tell them apart. */
function keyOf(path: DocumentPath): string {
  return path.some((part) => typeof part === 'string' && part.length > 40) ? JSON.stringify(path) : formatPath(path);
}

function findLineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
