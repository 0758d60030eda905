import { GraylaneError } from '../../base/errors';
import { labelKeyFault } from '../../policy/label-key';

const VALUE = /^[ -~]*$/;
const MAX_VALUE = 4096;

/**
 * Lower-cases the keys of labels that a program hands in and refuses what cannot be sent as metadata. Values are data
 * and never quoted.
 */
export function checkLabels(labels: Readonly<Record<string, string>>, path: string): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(labels)) {
    const key = name.toLowerCase();
    const fault = labelKeyFault(key);
    if (fault !== undefined) throw invalid(path, name, fault);
    if (typeof value !== 'string' || !VALUE.test(value) || value.length > MAX_VALUE) {
      throw invalid(path, name, `a value of printable ASCII, at most ${MAX_VALUE} characters`);
    }
    Object.defineProperty(checked, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return checked;
}

function invalid(path: string, key: string, expected: string): GraylaneError {
  return new GraylaneError('INVALID_LABEL', `${path}[${JSON.stringify(key.slice(0, 80))}] (expected: ${expected})`);
}
