import { expect } from 'vitest';
import { ImportReport } from '../../../../src/ops/imports/report';
import { readResources } from '../../../../src/ops/imports/resources';
import { readSources } from '../../../../src/ops/imports/sources';
import { type ImportedIstio, type ImportIstioOptions, importIstio } from '../../../../src/ops/istio/import';
import { chooseService } from '../../../../src/ops/istio/select';
import { compilePolicy } from '../../../../src/policy/compile';

export interface ImportFlags extends Partial<Omit<ImportIstioOptions, 'host' | 'report'>> {
  readonly service?: string;
  /** A text that cannot be read is one of the losses. */
  readonly tolerant?: boolean;
}

/** What `policy import-istio` makes of these texts, a file each. Whatever comes out can be applied. */
export function importTexts(texts: readonly string[], flags: ImportFlags = {}): ImportedIstio {
  const { service, tolerant = false, labelsAs = 'meta', ...view } = flags;
  const report = new ImportReport();
  const files = texts.map((text, index) => ({ file: `${'abcdefgh'[index]}.yaml`, text }));
  const { documents, faults } = readSources(files);
  if (!tolerant) expect(faults).toEqual([]);
  for (const fault of faults) report.fault(fault);
  const resources = readResources(documents, report);
  const choice = chooseService(resources, service);
  if ('fault' in choice) throw new Error(choice.fault);
  const result = importIstio(resources, { host: choice.host, labelsAs, ...view, report });
  const { document } = result;
  compilePolicy({ content: document, format: 'object' }, { service: document.service, origin: 'inline' });
  return result;
}
