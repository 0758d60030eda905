import { expect } from 'vitest';
import { type ImportedGateway, importGateway } from '../../../../src/ops/gateway/import';
import { chooseParent } from '../../../../src/ops/gateway/parents';
import { ROUTE_KINDS } from '../../../../src/ops/gateway/rules';
import { ImportReport } from '../../../../src/ops/imports/report';
import { readResources } from '../../../../src/ops/imports/resources';
import { readSources } from '../../../../src/ops/imports/sources';
import { createGatewayMeaning } from '../../../../src/ops/proof/gateway-meaning';
import { type Proof, prove } from '../../../../src/ops/proof/prove';
import { compilePolicy } from '../../../../src/policy/compile';

export interface RouteFlags {
  readonly service?: string;
  readonly gateway?: string;
}

/** What `policy import-gateway` makes of a text; held against its meaning on so many calls. */
export function importRoutes(
  text: string,
  { service, gateway }: RouteFlags = {},
  { calls = 500, seed = 1 }: { readonly calls?: number; readonly seed?: number } = {},
): ImportedGateway & { readonly proof: Proof } {
  const report = new ImportReport();
  const { documents, faults } = readSources([{ file: 'a.yaml', text }]);
  expect(faults).toEqual([]);
  const resources = readResources(documents, report).filter(({ kind }) => ROUTE_KINDS.includes(kind));
  const choice = chooseParent(resources, { service, gateway });
  if ('fault' in choice) throw new Error(choice.fault);
  const result = importGateway(resources, { ...choice, report });
  const { document, losses, rules } = result;
  const plan = compilePolicy({ content: document, format: 'object' }, { service: document.service, origin: 'inline' });
  const source = createGatewayMeaning(resources, choice);
  return { ...result, proof: prove({ source, plan, losses, rules, calls, seed }) };
}
