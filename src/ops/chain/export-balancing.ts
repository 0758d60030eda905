import type { ChainGraph } from '../../policy/chain/graph';
import type { ChainReport } from '../../policy/chain/report';
import type { BalancingDocument, SubsetDocument } from '../../policy/document';
import type { BalancingPlan, Decision, Plan } from '../../policy/plan';

export interface ExportedBalancing {
  readonly balancing: BalancingDocument | undefined;
  /** Of subsets that are balanced otherwise, by their names in the plan. */
  readonly subsets: ReadonlyMap<string, NonNullable<SubsetDocument['balancing']>>;
}

/**
 * How a chain's subsets are balanced: for the whole document where all of `own` are alike, else by subset. Instances of
 * other services are balanced as the document says; where the chain says otherwise, it is reported.
 */
export function exportBalancing(
  plan: Plan,
  graph: ChainGraph,
  own: readonly string[],
  decisions: readonly Decision[],
  report: ChainReport,
): ExportedBalancing {
  const pathOf = (): string => {
    const node = graph.resolvers.find(({ fields }) => fields['LoadBalancer'] !== undefined);
    return `${node?.path ?? 'chain'}.LoadBalancer`;
  };
  const wishes = own.map((subset) => [subset, wishOf(plan, subset, decisions, pathOf, report)] as const);
  const isAlike = distinct(wishes.map(([, wish]) => wish)).length <= 1;
  const balancing = isAlike ? wishes[0]?.[1] : undefined;
  const others = distinct(
    decisions.flatMap(({ destination: { subset } }) =>
      own.includes(subset) ? [] : [plan.subsets.get(subset)?.balancing?.algorithm],
    ),
  );
  if (others.some((algorithm) => algorithm !== balancing?.algorithm)) {
    report.cannot(pathOf(), 'instances of other services are balanced as this document says, or by its default');
  }
  const subsets = isAlike ? [] : wishes.flatMap(([name, wish]) => (wish === undefined ? [] : [[name, wish] as const]));
  return { balancing, subsets: new Map(subsets) };
}

type Wish = NonNullable<SubsetDocument['balancing']>;

function wishOf(
  plan: Plan,
  subset: string,
  decisions: readonly Decision[],
  pathOf: () => string,
  report: ChainReport,
): Wish | undefined {
  const balancing: BalancingPlan | undefined = plan.subsets.get(subset)?.balancing;
  if (balancing === undefined) return undefined;
  const { algorithm, choiceCount } = balancing;
  if (choiceCount !== undefined && choiceCount !== 2) {
    report.cannot(`${pathOf()}.LeastRequestConfig.ChoiceCount`, `${choiceCount}; a document compares two`);
  }
  if (algorithm !== 'ring_hash') return { algorithm };
  const first = decisions.filter(({ destination }) => destination.subset === subset);
  const policies = distinct((first.length === 0 ? decisions : first).map(({ hashPolicies }) => hashPolicies));
  const key = policies.length === 1 && policies[0]?.length === 1 ? policies[0][0]?.key : undefined;
  if (key !== undefined) return { algorithm, hashBy: key };
  report.cannot(
    `${pathOf()}.HashPolicies`,
    'a document hashes the calls of a subset by one header; left at its default',
  );
  return undefined;
}

/** By what they say. */
function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}
