import { throwProblems } from '../../base/option-reader';
import { parseDocumentText } from '../../policy/parse-text';
import { locateProblem } from '../../policy/policy-error';

/**
 * What stands in a file of instances: JSON where its name ends in `.json`, else YAML. Throws INVALID_INSTANCE with every
 * mistake of syntax, each with its line and column.
 */
export function parseInstancesText(text: string, path: string): unknown {
  const format = path.endsWith('.json') ? 'json' : 'yaml';
  const { value, problems } = parseDocumentText(text, format, 'instances', Number.POSITIVE_INFINITY);
  throwProblems(
    problems.map((problem) => locateProblem(undefined, problem)),
    'INVALID_INSTANCE',
  );
  return value;
}
