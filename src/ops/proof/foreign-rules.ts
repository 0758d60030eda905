import type { Plan } from '../../policy/plan';
import { importEntries, tableOf } from '../entries/lint';
import { readEntries } from '../entries/read';
import { importGateway } from '../gateway/import';
import { chooseParent } from '../gateway/parents';
import { ROUTE_KINDS } from '../gateway/rules';
import { type ImportLoss, ImportReport } from '../imports/report';
import { readResources } from '../imports/resources';
import { readSources, type SourceText } from '../imports/sources';
import { importIstio } from '../istio/import';
import { chooseService, MESH } from '../istio/select';
import { createEntriesMeaning, entryRules } from './entries-meaning';
import { createGatewayMeaning } from './gateway-meaning';
import { createIstioMeaning } from './istio-meaning';
import type { ProofOptions } from './prove';
import type { RuleSource } from './rule-source';

/** Rules of another system that can be evaluated, and what an import of them tells. */
export interface ForeignRules extends Pick<ProofOptions, 'source' | 'rules'> {
  readonly source: RuleSource;
  readonly losses: readonly ImportLoss[];
}

const ENTRY = /\bservice-?(?:router|splitter|resolver)\b/i;
const KIND = /(?:^|[\s{,"'])kind["']?\s*[:=]\s*["']?([\w-]+)/im;

/** The rules that some texts hold for the service of a plan, or why there are none. */
export function readForeignRules(texts: readonly SourceText[], plan: Plan): ForeignRules | { readonly fault: string } {
  const report = new ImportReport();
  const kinds = texts.flatMap(({ text }) => KIND.exec(text)?.[1] ?? []);
  if (kinds.some((kind) => ENTRY.test(kind))) return entryRulesOf(texts, plan, report);
  const { documents, faults } = readSources(texts);
  for (const fault of faults) report.fault(fault);
  const resources = readResources(documents, report);
  const routes = resources.filter(({ kind }) => ROUTE_KINDS.includes(kind));
  if (routes.length > 0) {
    const choice = chooseParent(routes, { service: plan.service, gateway: undefined });
    if ('fault' in choice) return choice;
    const { losses, rules } = importGateway(routes, { ...choice, report });
    return { source: createGatewayMeaning(routes, choice), losses, rules };
  }
  const choice = chooseService(resources, plan.service);
  if ('fault' in choice) return choice;
  const view = { gateways: [MESH], port: undefined };
  const { losses, rules } = importIstio(resources, { host: choice.host, labelsAs: 'meta', ...view, report });
  return { source: createIstioMeaning(resources, choice.host, view), losses, rules };
}

function entryRulesOf(
  texts: readonly SourceText[],
  { service, routes }: Plan,
  report: ImportReport,
): ForeignRules | { readonly fault: string } {
  const entries = tableOf(readEntries(texts, report));
  const { document, losses, chain } = importEntries(entries, service, USUAL_DATACENTER);
  if (document === undefined) return { fault: losses[0]?.message ?? `${service}: no entries that a policy could say` };
  const names = routes.map(({ name }) => name);
  return {
    source: createEntriesMeaning(chain, service),
    losses: [...report.losses, ...losses],
    rules: entryRules(chain, service, names),
  };
}

/** Which it is makes no difference to where calls go first. */
const USUAL_DATACENTER = 'dc1';
