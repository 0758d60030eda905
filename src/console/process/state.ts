import type { ServiceInspection } from '../../client/admin/inspect';
import type {
  PageChange,
  PageClient,
  PageDecision,
  PageDecisions,
  PageEndpoint,
  PageHistory,
  PageService,
  PageTraffic,
} from '../../client/admin/page/page-view';

/** What is shown of the service that is looked at; each part is there as soon as it was sent. */
export interface ProcessState {
  /** By path, as sent. */
  readonly parts: ReadonlyMap<string, unknown>;
  /** The newest first, a bounded number. */
  readonly decisions: readonly PageDecision[];
  /** Decisions since the page was opened, those that are not listed included. */
  readonly decided: number;
}

export const NOTHING: ProcessState = { parts: new Map(), decisions: [], decided: 0 };

const MOST_DECISIONS = 100;

/** The state after an event of the stream. */
export function afterEvent(state: ProcessState, event: string, data: unknown): ProcessState {
  if (event === 'state') return { ...NOTHING, parts: new Map(Object.entries((data as PageChange).set)) };
  if (event === 'change') return { ...state, parts: changed(state.parts, data as PageChange) };
  if (event !== 'decisions') return state;
  const { total, list } = data as PageDecisions;
  const decisions = [...list].reverse().concat(state.decisions).slice(0, MOST_DECISIONS);
  return { ...state, decisions, decided: state.decided + total };
}

function changed(parts: ReadonlyMap<string, unknown>, { set, gone }: PageChange): ReadonlyMap<string, unknown> {
  const next = new Map(parts);
  for (const path of gone) next.delete(path);
  for (const [path, part] of Object.entries(set)) next.set(path, part);
  return next;
}

export function clientOf({ parts }: ProcessState): PageClient | undefined {
  return parts.get('client') as PageClient | undefined;
}

export function servicesOf(state: ProcessState): readonly PageService[] {
  return below<PageService>(state, 'service/').sort((a, b) => a.service.localeCompare(b.service));
}

export function endpointsOf(state: ProcessState): readonly PageEndpoint[] {
  return below<PageEndpoint>(state, 'endpoint/');
}

export function detailOf<K extends keyof ServiceInspection>(
  { parts }: ProcessState,
  field: K,
): ServiceInspection[K] | undefined {
  return parts.get(`detail/${field}`) as ServiceInspection[K] | undefined;
}

export function trafficOf({ parts }: ProcessState): PageTraffic {
  return (parts.get('traffic') as PageTraffic | undefined) ?? [];
}

export function historyOf({ parts }: ProcessState): PageHistory | undefined {
  return parts.get('history') as PageHistory | undefined;
}

function below<T>({ parts }: ProcessState, prefix: string): T[] {
  return [...parts].flatMap(([path, part]) => (path.startsWith(prefix) ? [part as T] : []));
}
