import { compileChain } from '../../policy/chain/compile';
import { type Fields, fieldsOf, listOf, textOf } from '../../policy/chain/report';
import type { Decision, Plan } from '../../policy/plan';
import { createPlanReader } from './plan-reader';
import { CallHints, placeElsewhere, type RuleSource, textsAround, type Verdict } from './rule-source';

const PATHS = [
  ['PathExact', 'exact'],
  ['PathPrefix', 'prefix'],
  ['PathRegex', 'regex'],
] as const;
const VALUES = [
  ['Exact', 'exact'],
  ['Prefix', 'prefix'],
  ['Regex', 'regex'],
] as const;

/**
 * What a chain of Consul's entries says of a call: by the plan that clients follow for a live chain. Rules are named by
 * the entry that has them. Throws a PolicyError for a chain that is not sound.
 */
export function createEntriesMeaning(chain: Fields, service: string): RuleSource {
  const plan = compileChain(chain, { service, sourceAddress: '127.0.0.1' });
  const read = createPlanReader(plan, (decision) => placeIn(plan, decision));
  const start = fieldsOf(fieldsOf(chain['Nodes'])[textOf(chain['StartNode']) ?? '']);
  return {
    hints: hintsOf(chain),
    decide(call): Verdict {
      const { decision, ...found } = read(call);
      return { ...found, rule: ruleOf(plan, start, decision, service), concerns: concernsOf(plan, decision) };
    },
  };
}

/** The rule that a route of the plan, or of the document that was made of it, comes from. */
function entryRule(startType: unknown, route: string, routes: number, service: string): string {
  if (startType === 'splitter') return `service-splitter/${service}`;
  if (startType !== 'router') return `service-resolver/${service}`;
  const index = /^routes\[(\d+)\]$/.exec(route)?.[1] ?? String(routes - 1);
  return `service-router/${service}.Routes[${index}]`;
}

function ruleOf(plan: Plan, start: Fields, { route }: Decision, service: string): string {
  return entryRule(start['Type'], route, plan.routes.length, service);
}

function placeIn(plan: Plan, { destination: { subset } }: Decision): string | undefined {
  const other = plan.subsets.get(subset)?.lookups?.find(({ service }) => service !== plan.service)?.service;
  return other === undefined ? undefined : placeElsewhere(other, subset.slice(other.length + 1));
}

/** Resolvers of other services that the call may come to: their losses are about it as well. */
function concernsOf(plan: Plan, { route }: Decision): readonly string[] {
  const entries = plan.routes.find(({ name }) => name === route)?.split.entries ?? [{ decision: plan.fallthrough }];
  const lookups = entries.flatMap(({ decision }) => plan.subsets.get(decision.destination.subset)?.lookups ?? []);
  return [...new Set(lookups.map(({ service }) => service))].flatMap((service) => [
    `service-resolver/${service}`,
    `resolver(${service}.`,
  ]);
}

function hintsOf(chain: Fields): CallHints {
  const hints = new CallHints();
  const nodes = Object.values(fieldsOf(chain['Nodes'])).map(fieldsOf);
  for (const route of nodes.flatMap((node) => listOf(node['Routes'])).map(fieldsOf)) {
    const http = fieldsOf(fieldsOf(fieldsOf(route['Definition'])['Match'])['HTTP']);
    for (const [field, kind] of PATHS) {
      const text = textOf(http[field]);
      if (text !== undefined) hints.path(kind, text);
    }
    for (const header of listOf(http['Header']).map(fieldsOf)) {
      const texts = VALUES.flatMap(([field, kind]) => {
        const text = textOf(header[field]);
        return text === undefined ? [] : textsAround(kind, text);
      });
      const ends = ['Suffix', 'Contains'].flatMap((field) => textOf(header[field]) ?? []).map((text) => `x${text}`);
      hints.header(textOf(header['Name']) ?? 'x', 'any', ...texts, ...ends);
    }
  }
  return hints;
}

/** The rules of the routes of a document that was imported from entries. */
export function entryRules(chain: Fields, service: string, routes: readonly string[]): ReadonlyMap<string, string> {
  const start = fieldsOf(fieldsOf(chain['Nodes'])[textOf(chain['StartNode']) ?? '']);
  const count = listOf(start['Routes']).length;
  return new Map([...routes, 'default'].map((name) => [name, entryRule(start['Type'], name, count, service)]));
}
