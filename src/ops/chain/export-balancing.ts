import type { ChainGraph } from '../../policy/chain/graph';
import type { ChainReport } from '../../policy/chain/report';
import type { BalancingDocument } from '../../policy/document';
import type { Decision, Plan } from '../../policy/plan';

/** A document balances all its subsets alike. What the chain's resolvers say differently is reported. */
export function exportBalancing(
  plan: Plan,
  graph: ChainGraph,
  decisions: readonly Decision[],
  report: ChainReport,
): BalancingDocument | undefined {
  const [wanted, ...others] = distinct(
    decisions.map(({ destination }) => plan.subsets.get(destination.subset)?.balancing),
  );
  const pathOf = (): string => {
    const node = graph.resolvers.find(({ fields }) => fields['LoadBalancer'] !== undefined);
    return `${node?.path ?? 'chain'}.LoadBalancer`;
  };
  if (others.length > 0) report.cannot(pathOf(), 'a document balances all subsets alike; left at its default');
  if (wanted === undefined || others.length > 0) return undefined;
  const { algorithm, choiceCount } = wanted;
  if (choiceCount !== undefined && choiceCount !== 2) {
    report.cannot(`${pathOf()}.LeastRequestConfig.ChoiceCount`, `${choiceCount}; a document compares two`);
  }
  if (algorithm !== 'ring_hash') return { algorithm };
  const policies = distinct(decisions.map(({ hashPolicies }) => hashPolicies));
  const [policy] = policies[0] ?? [];
  const isOneHeader = policies.length === 1 && policies[0]?.length === 1 && policy?.key !== undefined;
  if (isOneHeader && policy.key !== 'cookie') return { algorithm, hashBy: policy.key };
  report.cannot(
    `${pathOf()}.HashPolicies`,
    'a document hashes by one header, the same everywhere; left at its default',
  );
  return undefined;
}

/** By what they say. Functions count for nothing: those that differ belong to cookies, which are refused anyway. */
function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}
