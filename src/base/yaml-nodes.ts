import {
  type AliasEvent,
  EVENT_ID,
  type Event,
  getScalarValue,
  type MappingEvent,
  SCALAR_STYLE,
  type ScalarEvent,
  type SequenceEvent,
} from 'js-yaml';

/** A value of a YAML text: where it stands, and what it holds. Offsets count UTF-16 units. */
export interface YamlNode {
  /** Undefined where nothing is written, which means null. */
  readonly start: number | undefined;
  /** Of a value that is neither an object nor a list. */
  readonly end: number | undefined;
  /** Of a value on one line without quotes: as it is written. */
  readonly plain: string | undefined;
  /** Of an object or a list; else empty. */
  readonly entries: readonly YamlEntry[];
  /** How many values it is, those that aliases stand for among them. */
  readonly size: number;
}

/** Something that an object or a list holds. */
interface YamlEntry {
  /** Index of a list's item. */
  readonly key: string | number;
  /** Of the key, or of a list's item. */
  readonly start: number | undefined;
  readonly node: YamlNode;
  /** The value stands elsewhere in the text, and `*name` here. */
  readonly isAlias: boolean;
}

/** What makes a text no YAML. */
export class YamlError extends Error {
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(reason);
    this.offset = offset;
  }
}

/** Nothing is written, or an alias has no anchor. */
const NOTHING: YamlNode = { start: undefined, end: undefined, plain: undefined, entries: [], size: 1 };

/** How an event says that something is not written. */
const ABSENT = -1;

type NodeEvent = SequenceEvent | MappingEvent | ScalarEvent | AliasEvent;

export interface NodeOptions {
  /** `<<` is no key: it stays what it is. */
  readonly merge: boolean;
  /** Values that aliases may stand for in all. */
  readonly mostAliased: number;
}

/**
 * Lays what a parser has found in a text, one after the other, out as a tree. Leaves the events of keys as those of
 * texts, so that `1.0` and `true` are the names that they look like. Throws a {@link YamlError}.
 */
export function readNodes(text: string, events: readonly Event[], options: NodeOptions): YamlNode {
  const { merge, mostAliased } = options;
  const anchors = new Map<string, YamlNode>();
  let next = 0;
  let aliased = 0;
  const take = (): Event | undefined => events[next++];

  const alias = ({ anchorStart, anchorEnd }: AliasEvent): YamlNode => {
    // One without an anchor is refused where values are made of the events.
    const node = anchors.get(text.slice(anchorStart, anchorEnd)) ?? NOTHING;
    aliased += node.size;
    if (aliased > mostAliased) throw new YamlError(`aliases stand for more than ${mostAliased} values`, anchorStart);
    return node;
  };

  const scalar = ({ valueStart, valueEnd, style, fast }: ScalarEvent): YamlNode => {
    if (valueStart === ABSENT) return NOTHING;
    const plain = fast && style === SCALAR_STYLE.PLAIN ? text.slice(valueStart, valueEnd) : undefined;
    // Of a value in quotes, what is between them.
    const quote = style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
    return { start: valueStart - quote, end: valueEnd + quote, plain, entries: NOTHING.entries, size: 1 };
  };

  const keyOf = (event: NodeEvent): string => {
    // What an alias of an object would be as a key is refused where values are made of the events.
    if (event.type === EVENT_ID.ALIAS) return '';
    if (event.type !== EVENT_ID.SCALAR) throw new YamlError('an object or a list is no key', event.start);
    const key = getScalarValue(text, event);
    const isOneLine = event.fast || event.valueStart === ABSENT;
    const isPlain = event.style === SCALAR_STYLE.PLAIN && isOneLine;
    if (isPlain && !(merge && key === '<<')) event.style = SCALAR_STYLE.SINGLE_QUOTED;
    return key;
  };

  const collection = ({ start, type, anchorStart, anchorEnd }: SequenceEvent | MappingEvent): YamlNode => {
    const entries: YamlEntry[] = [];
    // Endless as long as it is open: an alias of itself inside would be.
    const node = { start, end: undefined, plain: undefined, entries, size: Number.POSITIVE_INFINITY };
    if (anchorStart !== ABSENT) anchors.set(text.slice(anchorStart, anchorEnd), node);
    let size = 1;
    for (let event = take(); event !== undefined && event.type !== EVENT_ID.POP; event = take()) {
      let value = event as NodeEvent;
      let key: string | number = entries.length;
      let begin: number | undefined;
      if (type === EVENT_ID.MAPPING) {
        const name = nodeOf(value);
        key = keyOf(value);
        begin = name.start;
        value = take() as NodeEvent;
      }
      const inner = nodeOf(value);
      const isAlias = value.type === EVENT_ID.ALIAS;
      entries.push({ key, start: begin ?? (isAlias ? value.anchorStart - 1 : inner.start), node: inner, isAlias });
      size += inner.size;
    }
    node.size = size;
    return node;
  };

  const nodeOf = (event: NodeEvent): YamlNode => {
    if (event.type === EVENT_ID.ALIAS) return alias(event);
    if (event.type !== EVENT_ID.SCALAR) return collection(event);
    const node = scalar(event);
    if (event.anchorStart !== ABSENT) anchors.set(text.slice(event.anchorStart, event.anchorEnd), node);
    return node;
  };

  // A document is opened, has one value and is closed.
  if (take() === undefined) return NOTHING;
  const root = nodeOf(take() as NodeEvent);
  take();
  if (take() === undefined) return root;
  const second = nodeOf(take() as NodeEvent);
  throw new YamlError('more than one document', second.start ?? 0);
}

interface FoundNode {
  /** The last part of the path that there is. */
  readonly node: YamlNode;
  /** Of the key or the item that leads to it. */
  readonly start: number | undefined;
  /** Every part of the path was found. */
  readonly isWhole: boolean;
}

/** Follows a path through objects, lists and aliases. `spell` tells which keys are the same. Default: equal ones. */
export function findNode(
  root: YamlNode,
  path: readonly (string | number)[],
  spell: (key: string) => string = (key) => key,
): FoundNode {
  let node = root;
  let { start } = root;
  for (const part of path) {
    const entry = typeof part === 'number' ? node.entries[part] : entryOf(node, part, spell);
    if (entry === undefined || typeof entry.key !== typeof part) return { node, start, isWhole: false };
    start = entry.start ?? start;
    node = entry.node;
  }
  return { node, start, isWhole: true };
}

/** Of keys that are given twice the last one counts, as it does for the value. */
function entryOf({ entries }: YamlNode, wanted: string, spell: (key: string) => string): YamlEntry | undefined {
  const spelled = spell(wanted);
  return (
    entries.findLast(({ key }) => key === wanted) ??
    entries.findLast(({ key }) => typeof key === 'string' && spell(key) === spelled)
  );
}
