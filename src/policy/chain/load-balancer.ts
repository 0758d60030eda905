import { DEFAULT_BALANCING } from '../defaults';
import type { Algorithm } from '../document';
import { labelKeyFault, readLabelKeyFault } from '../label-key';
import type { BalancingPlan, HashPolicy } from '../plan';
import { type ChainReport, type Fields, fieldsOf, isSet, listOf, textOf } from './report';

const FIELDS: readonly string[] = ['Policy', 'RingHashConfig', 'LeastRequestConfig', 'HashPolicies'];
const HASH_FIELDS: readonly string[] = ['Field', 'FieldValue', 'CookieConfig', 'SourceIP', 'Terminal'];
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  random: 'random',
  round_robin: 'round_robin',
  least_request: 'least_request',
  ring_hash: 'ring_hash',
  maglev: 'ring_hash',
};

/** How a resolver's instances are chosen from; undefined where it leaves that open, and the library's default holds. */
export function compileBalancing(value: unknown, path: string, report: ChainReport): BalancingPlan | undefined {
  const fields = fieldsOf(value);
  report.unknown(path, fields, FIELDS);
  const policy = textOf(fields['Policy']);
  if (policy === undefined) return undefined;
  const algorithm = Object.hasOwn(ALGORITHMS, policy) ? ALGORITHMS[policy] : undefined;
  if (algorithm === undefined) {
    report.cannot(`${path}.Policy`, `${policy.slice(0, 60)} is not known to this version; balanced as by default`);
    return undefined;
  }
  if (policy === 'maglev') report.cannot(`${path}.Policy`, 'maglev is served by ring_hash');
  if (isSet(fields['RingHashConfig'])) {
    report.cannot(`${path}.RingHashConfig`, 'the ring is sized by the number of instances and their weights');
  }
  const choices = fieldsOf(fields['LeastRequestConfig'])['ChoiceCount'];
  const isCount = typeof choices === 'number' && Number.isInteger(choices) && choices >= 2;
  return {
    ...DEFAULT_BALANCING,
    algorithm,
    ...(isCount && algorithm === 'least_request' ? { choiceCount: choices } : {}),
  };
}

/**
 * What places a call on the ring; undefined unless the policy is one of hashing. `sourceAddress` is this host's own:
 * all calls of a client come from one address.
 */
export function compileHashPolicies(
  value: unknown,
  path: string,
  sourceAddress: string,
  report: ChainReport,
): readonly HashPolicy[] | undefined {
  const { Policy: policy, HashPolicies: policies } = fieldsOf(value);
  if (policy !== 'ring_hash' && policy !== 'maglev') return undefined;
  return listOf(policies).flatMap((each, index) => {
    const found = compileHashPolicy(fieldsOf(each), `${path}.HashPolicies[${index}]`, sourceAddress, report);
    return found === undefined ? [] : [found];
  });
}

function compileHashPolicy(
  fields: Fields,
  path: string,
  sourceAddress: string,
  report: ChainReport,
): HashPolicy | undefined {
  report.unknown(path, fields, HASH_FIELDS);
  const isTerminal = fields['Terminal'] === true;
  const field = fields['Field'];
  const name = textOf(fields['FieldValue']) ?? '';
  if (fields['SourceIP'] === true) {
    return { key: undefined, constant: sourceAddress, isTerminal };
  }
  if (field === 'header') {
    const key = name.toLowerCase();
    const fault = labelKeyFault(key);
    if (fault === undefined) return { key, constant: undefined, isTerminal };
    report.cannot(`${path}.FieldValue`, `${JSON.stringify(name.slice(0, 60))} yields no hash (expected: ${fault})`);
    return undefined;
  }
  if (field === 'cookie') {
    if (isSet(fields['CookieConfig'])) {
      report.cannot(`${path}.CookieConfig`, 'no cookie is made for a caller that has none; such calls go anywhere');
    }
    const key = `cookie:${name.toLowerCase()}`;
    const fault = readLabelKeyFault(key);
    if (fault === undefined) return { key, constant: undefined, isTerminal };
    report.cannot(`${path}.FieldValue`, `${JSON.stringify(name.slice(0, 60))} yields no hash (expected: ${fault})`);
    return undefined;
  }
  report.cannot(`${path}.Field`, `${JSON.stringify(field ?? '')} yields no hash: a gRPC call has none of it`);
  return undefined;
}
