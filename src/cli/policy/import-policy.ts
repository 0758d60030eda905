import { importGateway } from '../../ops/gateway/import';
import { chooseParent } from '../../ops/gateway/parents';
import { ROUTE_KINDS } from '../../ops/gateway/rules';
import { ImportReport } from '../../ops/imports/report';
import { type Resource, readResources } from '../../ops/imports/resources';
import { readSources } from '../../ops/imports/sources';
import { importIstio } from '../../ops/istio/import';
import { chooseService } from '../../ops/istio/select';
import { CommandError } from '../command';
import type { CommandIo } from '../io';
import { type OutputFlags, presentImport, readSourceTexts, showLosses } from './present-import';

interface ImportIstioFlags extends OutputFlags {
  readonly service?: string;
  readonly labels: 'meta' | 'tags';
  readonly gateway?: string;
  readonly port?: number;
  readonly faultUntil?: string;
}

/** `policy import-istio`. */
export async function importIstioFiles(
  files: readonly string[],
  flags: ImportIstioFlags,
  io: CommandIo,
): Promise<void> {
  const report = new ImportReport();
  const resources = await readKinds(files, ['VirtualService', 'DestinationRule'], report, io);
  const choice = chooseService(resources, flags.service);
  if ('fault' in choice) throw notChosen(choice.fault, files, report, io);
  const { labels: labelsAs, gateway, port, faultUntil } = flags;
  const view = { ...(gateway === undefined ? {} : { gateways: [gateway] }), port };
  const how = { labelsAs, faultUntil, ...view, report };
  const { document, losses, notes } = importIstio(resources, { host: choice.host, ...how });
  await presentImport({ service: document.service, document, unsaid: losses, notes }, flags, io);
}

interface ImportGatewayFlags extends OutputFlags {
  readonly service?: string;
  readonly gateway?: string;
}

/** `policy import-gateway`. */
export async function importGatewayFiles(
  files: readonly string[],
  flags: ImportGatewayFlags,
  io: CommandIo,
): Promise<void> {
  const report = new ImportReport();
  const resources = await readKinds(files, ROUTE_KINDS, report, io);
  const choice = chooseParent(resources, { service: flags.service, gateway: flags.gateway });
  if ('fault' in choice) throw notChosen(choice.fault, files, report, io);
  const { document, losses, notes } = importGateway(resources, { ...choice, report });
  await presentImport({ service: document.service, document, unsaid: losses, notes }, flags, io);
}

/** Resources of these kinds; of others there is a note. Throws a CommandError where there is none. */
async function readKinds(
  files: readonly string[],
  kinds: readonly string[],
  report: ImportReport,
  io: CommandIo,
): Promise<readonly Resource[]> {
  const { documents, faults } = readSources(await readSourceTexts(files));
  for (const fault of faults) report.fault(fault);
  const all = readResources(documents, report);
  const wanted = all.filter(({ kind }) => kinds.includes(kind));
  if (wanted.length === 0) {
    showLosses(report.losses, io);
    const found = all.length === 0 ? 'nothing that could be read' : `no ${kinds.join(' and no ')}`;
    throw new CommandError(
      faults.length > 0 ? 1 : 2,
      `${files.join(', ')}: ${found} (expected: one at least)`,
      'check the files',
    );
  }
  const others = all.filter((resource) => !wanted.includes(resource)).map(({ path }) => path);
  if (others.length > 0) report.note(`not looked at: ${others.join(', ')}`);
  return wanted;
}

function notChosen(fault: string, files: readonly string[], report: ImportReport, io: CommandIo): CommandError {
  showLosses(report.losses, io);
  return new CommandError(2, `${files.join(', ')}: ${fault}`, 'name one with --service');
}
