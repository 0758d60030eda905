/** All that a link carries: what a reader of it sees is what its sender saw. */
export interface PlaygroundState {
  /** YAML. */
  readonly policy: string;
  /** The policy that users are compared under; empty: the same. */
  readonly before: string;
  readonly method: string;
  /** In the order of the form; keys may be empty while they are typed. */
  readonly labels: readonly (readonly [string, string])[];
  readonly caller: string;
  /** Names of lanes that have instances, with commas. */
  readonly lanes: string;
  readonly breaker: BreakerForm;
  /** YAML. */
  readonly rollout: string;
  readonly traffic: TrafficForm;
}

/** Seconds, calls a second, percent. */
export interface BreakerForm {
  readonly level: 'endpoint' | 'subset';
  readonly subset: string;
  readonly callsPerSecond: number;
  readonly failsForS: number;
  readonly failingPercent: number;
  readonly isSilent: boolean;
}

/** Calls a second, percent, milliseconds. */
export interface TrafficForm {
  readonly callsPerSecond: number;
  readonly stableFailing: number;
  readonly canaryFailing: number;
  readonly stableMs: number;
  readonly canaryMs: number;
  readonly seed: number;
}

/** Bounds of the forms' numbers: least, most. What a link holds beyond them is brought within. */
const BOUNDS = {
  callsPerSecond: [1, 1_000],
  failsForS: [1, 60],
  failingPercent: [0, 100],
  stableFailing: [0, 100],
  canaryFailing: [0, 100],
  stableMs: [1, 5_000],
  canaryMs: [1, 5_000],
  seed: [1, 1_000_000],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** Longest link that is made or read, in characters: what browsers and chats still carry. */
const MOST_LINK_CHARACTERS = 60_000;
/** Longest text that a link may unfold to. */
const MOST_CHARACTERS = 600_000;
const MOST_LABELS = 50;
const KEY = 'p=';

/** The part of an address after `#`. Undefined: it would be too long. */
export async function writeLink(state: PlaygroundState): Promise<string | undefined> {
  const packed = await transformed(
    new TextEncoder().encode(JSON.stringify(state)),
    new CompressionStream('deflate-raw'),
  );
  const text = KEY + toBase64Url(packed);
  return text.length > MOST_LINK_CHARACTERS ? undefined : text;
}

/** Reads the part after `#`, with what it leaves out from `otherwise`. Undefined: it is no link of a playground. */
export async function readLink(hash: string, otherwise: PlaygroundState): Promise<PlaygroundState | undefined> {
  const text = hash.replace(/^#/, '');
  if (!text.startsWith(KEY) || text.length > MOST_LINK_CHARACTERS) return undefined;
  try {
    const bytes = await transformed(fromBase64Url(text.slice(KEY.length)), new DecompressionStream('deflate-raw'));
    const found: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return isRecord(found) && typeof found['policy'] === 'string' ? stateOf(found, otherwise) : undefined;
  } catch {
    return undefined;
  }
}

function stateOf(found: Readonly<Record<string, unknown>>, otherwise: PlaygroundState): PlaygroundState {
  const { labels } = found;
  return {
    ...fitting(found, otherwise),
    labels: Array.isArray(labels) ? labels.filter(isPair).slice(0, MOST_LABELS) : otherwise.labels,
    breaker: fitting(found['breaker'], otherwise.breaker),
    traffic: fitting(found['traffic'], otherwise.traffic),
  };
}

/** Values of the same kind as those of `otherwise`; numbers within their bounds. */
function fitting<T extends object>(found: unknown, otherwise: T): T {
  const values = isRecord(found) ? found : {};
  const entries = Object.entries(otherwise).map(([key, own]) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (typeof value !== typeof own || typeof value === 'object') return [key, own];
    if (key === 'level' && value !== 'endpoint' && value !== 'subset') return [key, own];
    return [key, typeof value === 'number' ? within(key, value) : value];
  });
  return Object.fromEntries(entries) as T;
}

/** The number, or the nearest that its field may have. */
export function within(key: string, value: number): number {
  const [least, most] = (BOUNDS as Readonly<Record<string, readonly [number, number]>>)[key] ?? [0, 1];
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : least;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPair(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string');
}

/** Throws where the result is longer than any link that was written here. */
async function transformed(bytes: Uint8Array, through: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  // Node and browsers describe these streams differently.
  const whole: ReadableStream<Uint8Array> = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  const reader = whole.pipeThrough<Uint8Array>(through as never).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    length += read.value.byteLength;
    if (length > MOST_CHARACTERS) {
      await reader.cancel();
      throw new Error('too long');
    }
    parts.push(read.value);
  }
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0));
}
