import { isRecord } from '../../../base/is-record';
import { compilePolicy } from '../../../policy/compile';
import { parseDocumentText } from '../../../policy/parse-text';
import type { Plan, PolicyProblem } from '../../../policy/plan';
import { PolicyError } from '../../../policy/policy-error';

/** A text as the language reads it: a plan, or everything that is wrong. */
export interface ReadPolicy {
  readonly plan: Plan | undefined;
  /** What refuses the text; empty beside a plan. With line and column. */
  readonly problems: readonly PolicyProblem[];
  /** What a writer should look at; empty without a plan. */
  readonly warnings: readonly PolicyProblem[];
}

const NO_SERVICE = 'payments';
const KEPT = 8;

/** Reads policies from YAML (which JSON is too). Keeps the last few, since every question comes with its text. */
export class PolicyReader {
  readonly #read = new Map<string, ReadPolicy>();

  /** `caller`: the service that makes the calls; empty for one that states no name. Never throws for what a text holds. */
  read(text: string, caller = ''): ReadPolicy {
    const key = `${caller}\n${text}`;
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const read = readPolicy(text, caller);
    const [oldest] = this.#read.keys();
    if (this.#read.size >= KEPT && oldest !== undefined) this.#read.delete(oldest);
    this.#read.set(key, read);
    return read;
  }
}

function readPolicy(text: string, caller: string): ReadPolicy {
  // The service is whatever the document says: there is no other place here that could disagree.
  const { value } = parseDocumentText(text, 'yaml');
  const named = isRecord(value) ? value['service'] : undefined;
  const service = typeof named === 'string' && named !== '' ? named : NO_SERVICE;
  try {
    const plan = compilePolicy(
      { content: text, format: 'yaml' },
      { service, origin: 'inline', ...(caller !== '' && { caller }) },
    );
    return { plan, problems: [], warnings: plan.warnings };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { plan: undefined, problems: error.problems, warnings: [] };
  }
}
