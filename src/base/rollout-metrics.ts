import { isRecord } from './is-record';

/**
 * Where clients report their figures, and what they are to count. Written to Consul KV by the controller that drives
 * the rollout of a service, locked by its session; read by the clients of that service that may report.
 */
export interface Announcement {
  /** http or https, without user and password; reports go to `<url>/figures/<service>`. */
  readonly url: string;
  /** What a report must bring. Never logged. */
  readonly key: string;
  /** Undefined: nothing is to be counted now. */
  readonly window: AnnouncedWindow | undefined;
}

export interface AnnouncedWindow {
  /** Another for each analysis; the same under each controller that drives it. */
  readonly id: string;
  readonly canary: string;
  readonly stable: string;
  /** Time between two reports of a client, {@link REPORT_EVERY_MS}. */
  readonly everyMs: number;
}

export const REPORT_EVERY_MS: { readonly min: number; readonly max: number } = { min: 1_000, max: 60_000 };

const MAX_TEXT = 2_048;
/** Characters of what an announcement holds beside a document. */
export const MAX_COLLECTOR_URL: number = MAX_TEXT;
const FORMAT = 1;

/** The key that holds the announcement of a service. */
export function announcementKey(service: string): string {
  return `graylane/rollouts/${service}/collector`;
}

export function encodeAnnouncement({ url, key, window }: Announcement): string {
  return JSON.stringify({ format: FORMAT, url, key, ...(window === undefined ? {} : { window }) });
}

/** Reads a JSON object that says its format. What is wrong is said without what was read: it may hold a key. */
export function readFormat(
  text: string,
  mostCharacters: number,
  format: number,
): { readonly raw: Readonly<Record<string, unknown>> } | { readonly problem: string } {
  if (text.length > mostCharacters) return { problem: `longer than ${mostCharacters} characters` };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return { problem: 'not JSON' };
  }
  return isRecord(raw) && raw['format'] === format ? { raw } : { problem: `format: another (expected: ${format})` };
}

/** What is wrong is said without what was read: it holds a key. */
export function decodeAnnouncement(text: string): Announcement | { readonly problem: string } {
  const read = readFormat(text, MAX_TEXT, FORMAT);
  if ('problem' in read) return read;
  const { raw } = read;
  const url = readCollectorUrl(raw['url']);
  if (url === undefined) return { problem: 'url: unusable (expected: http or https, without user and password)' };
  const key = readCollectorKey(raw['key']);
  if (key === undefined) return { problem: 'key: unusable' };
  if (raw['window'] === undefined) return { url, key, window: undefined };
  const window = readWindow(raw['window']);
  return window === undefined ? { problem: 'window: unusable' } : { url, key, window };
}

/** Without a slash at the end; undefined where it is unusable. */
export function readCollectorUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || !URL.canParse(value)) return undefined;
  const { protocol, username, password, search, hash, href } = new URL(value);
  const isPlain = username === '' && password === '' && search === '' && hash === '';
  return isPlain && (protocol === 'http:' || protocol === 'https:') ? href.replace(/\/+$/, '') : undefined;
}

/** Undefined where it is unusable. */
export function readCollectorKey(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w-]{16,128}$/.test(value) ? value : undefined;
}

/** Undefined where it is unusable. */
export function readReportPace(value: unknown): number | undefined {
  const { min, max } = REPORT_EVERY_MS;
  return typeof value === 'number' && value >= min && value <= max ? value : undefined;
}

function readWindow(value: unknown): AnnouncedWindow | undefined {
  if (!isRecord(value)) return undefined;
  const { id, canary, stable } = value;
  const everyMs = readReportPace(value['everyMs']);
  if (![id, canary, stable].every((name) => typeof name === 'string' && name !== '' && name.length <= 128)) {
    return undefined;
  }
  if (everyMs === undefined) return undefined;
  return { id: id as string, canary: canary as string, stable: stable as string, everyMs };
}

/**
 * What a client has counted of one window since the window was announced, as it goes over the wire (JSON). Cumulative:
 * each report takes the place of the one before it, so that a lost one loses nothing and one that comes twice adds
 * nothing.
 */
export interface RolloutMetricsReport {
  readonly format: 1;
  /** The counting client: a random text, another for each window that a process counts. */
  readonly client: string;
  readonly window: string;
  /** From 1, one more with each report of this client: an older one that comes late is known by it. */
  readonly number: number;
  readonly canary: ReportedCounts;
  readonly stable: ReportedCounts;
}

export interface ReportedCounts {
  /** Attempts that the subset served and that said something of it: every one that ended but the `neutral`. */
  readonly calls: number;
  /** Those of `calls` that the breaker takes for failures. */
  readonly failures: number;
  /** Attempts that said nothing: cancelled by the caller, or ended while this process stood still. */
  readonly neutral: number;
  /** Attempts meant for this subset that another one served. */
  readonly fallbacks: number;
  /** The breaker of this subset is open, in any datacenter. */
  readonly isShed: boolean;
  /**
   * `calls` by the time to their first response: one more than {@link DURATION_BOUNDS_MS}, the last for those beyond
   * all.
   */
  readonly durations: readonly number[];
  /** Answers of copies to this subset that were compared with those of their calls; absent without any. */
  readonly compared?: number;
  /** Those of `compared` that differed in a flagged field. */
  readonly differing?: number;
}

/** A report is smaller: two subsets, each 38 numbers. */
export const MAX_REPORT_BYTES = 4_096;

/**
 * Upper bounds of the buckets. Between half a millisecond and 3 s each is at most 1.5 times the one before, so that a
 * limit of 1.5 times stable's quantile falls into another bucket than the quantile itself.
 */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048,
  3_072, 4_096, 8_192, 16_384, 32_768,
];
