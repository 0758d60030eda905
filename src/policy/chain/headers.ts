import { labelKeyFault } from '../label-key';
import type { HeaderChanges } from '../plan';
import { type ChainReport, fieldsOf, listOf } from './report';

const FIELDS: readonly string[] = ['Add', 'Set', 'Remove'];
const VALUE = /^[ -~]*$/;

/** Request headers that a route or a split changes; undefined when nothing is left to change. */
export function compileHeaders(value: unknown, path: string, report: ChainReport): HeaderChanges | undefined {
  const fields = fieldsOf(value);
  report.unknown(path, fields, FIELDS, 'as if it were not there');
  const pairs = (name: 'Add' | 'Set'): readonly (readonly [string, string])[] =>
    Object.entries(fieldsOf(fields[name])).flatMap(([header, text]) => {
      const at = `${path}.${name}[${JSON.stringify(header.slice(0, 60))}]`;
      const key = keyOf(header, at, report);
      const value = key === undefined ? undefined : headerValue(text, at, report);
      return key === undefined || value === undefined ? [] : [[key, value] as const];
    });
  const remove = listOf(fields['Remove']).flatMap((header, index) => {
    const key = keyOf(String(header), `${path}.Remove[${index}]`, report);
    return key === undefined ? [] : [key];
  });
  const changes = { remove, add: pairs('Add'), set: pairs('Set') };
  const count = changes.remove.length + changes.add.length + changes.set.length;
  return count === 0 ? undefined : changes;
}

function keyOf(header: string, at: string, report: ChainReport): string | undefined {
  const key = header.toLowerCase();
  // Credentials may be set, though never routed by.
  const isCredential = key === 'authorization' || key === 'cookie';
  const fault = labelKeyFault(key);
  if (fault === undefined || isCredential) return key;
  report.cannot(at, `left as it is (expected: ${fault})`);
  return undefined;
}

/** Envoy's `%VARIABLES%` are its own; `%%` is a percent sign. */
function headerValue(text: unknown, at: string, report: ChainReport): string | undefined {
  const value = String(text);
  const plain = value.replaceAll('%%', '');
  if (plain.includes('%')) {
    report.cannot(at, 'left as it is; variables of Envoy have no value here');
    return undefined;
  }
  if (VALUE.test(value)) return value.replaceAll('%%', '%');
  report.cannot(at, 'left as it is (expected: printable ASCII)');
  return undefined;
}
