import { compileChain } from '../../policy/chain/compile';
import type { PolicyProblem } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';

export interface ChainVerdict {
  /** Why no client follows the chain. */
  readonly problems: readonly PolicyProblem[];
  /** What clients that follow it leave out, or serve otherwise. */
  readonly warnings: readonly PolicyProblem[];
}

/** What becomes of a chain as Consul has it compiled. Pure. */
export function judgeChain(chain: object, service: string): ChainVerdict {
  try {
    const { warnings } = compileChain(chain, { service, sourceAddress: '127.0.0.1' });
    return { problems: [], warnings };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { problems: error.problems, warnings: [] };
  }
}
