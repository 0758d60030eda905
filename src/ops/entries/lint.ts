import type { PolicyDocument } from '../../policy/document';
import type { PolicyProblem } from '../../policy/plan';
import { exportChain } from '../chain/export';
import { judgeChain } from '../chain/judge';
import { type ImportLoss, ImportReport } from '../imports/report';
import { soundDocument } from '../imports/sound';
import { checkEntry, isLayer7 } from './check-entry';
import { type ChainOfEntries, compileEntries, type EntryTable, statedProtocol } from './compile-entries';
import type { ConfigEntry } from './read';

/** What becomes of the entries of one service. */
export interface EntryVerdict {
  readonly service: string;
  /** What Consul refuses to write, or a chain that it cannot compile. */
  readonly refused: readonly ImportLoss[];
  /** What Graylane refuses, leaves out or serves otherwise. */
  readonly notHonoured: readonly ImportLoss[];
}

const KINDS: readonly string[] = ['service-router', 'service-splitter', 'service-resolver'];

/** Entries by their paths. */
export function tableOf(entries: readonly ConfigEntry[]): EntryTable {
  return new Map(entries.map((entry) => [entry.path, entry]));
}

/** The services whose chains the entries shape, in order. */
export function servicesIn(entries: readonly ConfigEntry[]): readonly string[] {
  return [...new Set(entries.filter(({ kind }) => KINDS.includes(kind)).map(({ name }) => name))];
}

/**
 * Judges the entries of a service before they are written: what Consul refuses as far as the entries show it, and what
 * of its chain, compiled as Consul does, Graylane does not honour.
 */
export function lintEntries(entries: EntryTable, service: string, datacenter: string): EntryVerdict {
  return judgeEntries(entries, service, compileEntries(entries, service, datacenter));
}

function judgeEntries(
  entries: EntryTable,
  service: string,
  { chain, refused: structure }: ChainOfEntries,
): EntryVerdict {
  const refused = new ImportReport();
  const own = KINDS.flatMap((kind) => entries.get(`${kind}/${service}`) ?? []);
  const defaults = entries.get(`service-defaults/${service}`);
  for (const entry of defaults === undefined ? own : [...own, defaults]) {
    const about = place(entry, refused);
    checkEntry(entry, (path, found, expected) => about(path, `${found} (expected: ${expected})`));
  }
  const protocol = protocolOf(entries, service);
  for (const entry of own) {
    if (entry.kind === 'service-resolver' || protocol === undefined || isLayer7(protocol)) continue;
    place(entry, refused)(
      '',
      `the protocol of ${service} is ${protocol} (expected: http, http2 or grpc, in its service-defaults)`,
    );
  }
  const { problems, warnings } = judgeChain(chain, service);
  for (const { entry, path, why } of structure) {
    if (entry === undefined) refused.loss(undefined, service, [], why);
    else place(entry, refused)(path, why);
  }
  // What the entries show by themselves need not be told of the chain again.
  const more = refused.losses.length === 0 ? problems : [];
  return {
    service,
    refused: [...refused.losses, ...placed(more, entries)],
    notHonoured: placed(warnings, entries),
  };
}

export interface ImportedEntries {
  /** The policy document that decides as the entries do. Undefined where Consul refuses them. */
  readonly document: PolicyDocument | undefined;
  readonly losses: readonly ImportLoss[];
  readonly notes: readonly string[];
  readonly chain: ChainOfEntries['chain'];
}

/** The entries of one service as its policy document. Pure. */
export function importEntries(entries: EntryTable, service: string, datacenter: string): ImportedEntries {
  const compiled = compileEntries(entries, service, datacenter);
  const { chain } = compiled;
  const { refused } = judgeEntries(entries, service, compiled);
  if (refused.length > 0) {
    const losses = refused.map((each) => ({ ...each, message: `${each.message}; Consul refuses it` }));
    return { document: undefined, losses, notes: [], chain };
  }
  const resolver = entries.get(`service-resolver/${service}`)?.fields;
  const { document, unsaid, warnings, notes } = exportChain(chain, { service, resolver });
  const losses = placed([...unsaid, ...warnings], entries);
  const report = new ImportReport();
  const sound = document && soundDocument(document, report);
  return { document: sound, losses: [...losses, ...report.losses], notes, chain };
}

/** Undefined where the entries do not say, so that it stands somewhere else. */
function protocolOf(entries: EntryTable, service: string): string | undefined {
  const hasDefaults = entries.has(`service-defaults/${service}`) || entries.has('proxy-defaults/global');
  return statedProtocol(entries, service) ?? (hasDefaults ? 'tcp' : undefined);
}

function place({ path, report: own }: ConfigEntry, into: ImportReport): (field: string, text: string) => void {
  return (field, text) => own.tell(into, field === '' ? path : `${path}.${field}`, text);
}

/** Paths of a compiled chain as those of the entries that it was made from: `router(payments).Routes[0].Match`. */
function placed(problems: readonly PolicyProblem[], entries: EntryTable): readonly ImportLoss[] {
  const report = new ImportReport();
  for (const { path, message } of problems) {
    const text = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
    const [, node = '', name = '', rest = ''] = /^(router|splitter|resolver|target)\((.*?)\)\.?(.*)$/s.exec(path) ?? [];
    const isPlace = node === 'resolver' || node === 'target';
    const [subset, service] = isPlace ? ownerOf(name, entries) : [undefined, name];
    const entry = entries.get(`service-${isPlace ? 'resolver' : node}/${service}`);
    if (entry === undefined) report.loss(undefined, path, [], text);
    else place(entry, report)(fieldOf(node, subset, rest), text);
  }
  return report.losses;
}

/** `v2.payments.default.dc1`: the subset and the service of a target, by the resolvers that there are. */
function ownerOf(id: string, entries: EntryTable): readonly [subset: string | undefined, service: string] {
  const own = /^(.*)\.default\.(?:external\.)?[^.]+$/.exec(id)?.[1] ?? id;
  if (entries.has(`service-resolver/${own}`)) return [undefined, own];
  const [subset = '', ...rest] = own.split('.');
  return rest.length === 0 ? [undefined, own] : [subset, rest.join('.')];
}

function fieldOf(node: string, subset: string | undefined, rest: string): string {
  if (node === 'target') return rest.replace(/^Subset\b/, subset === undefined ? 'Subsets' : `Subsets.${subset}`);
  if (node === 'resolver' && rest === 'Target') return 'Redirect';
  return rest.replace(/\.Definition\b/, '').replace(/\.NextNode$/, '');
}
