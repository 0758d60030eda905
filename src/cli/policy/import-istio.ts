import { importIstio } from '../../ops/istio/import';
import { readResources, servicesOf } from '../../ops/istio/resources';
import { CommandError } from '../command-error';
import { readBytes } from '../input/policy-file';
import type { CommandIo } from '../io';
import type { ImportIstioFlags } from './commands/import-istio';
import { presentImport } from './imported-document';

/** `policy import-istio`. */
export async function importIstioFile(file: string, flags: ImportIstioFlags, io: CommandIo): Promise<void> {
  const { resources, others, fault } = readResources(Buffer.from(await readBytes(file)).toString('utf8'));
  if (fault !== undefined) throw new CommandError(2, `${file}: ${fault} (expected: YAML)`, 'correct it');
  const services = servicesOf(resources);
  const service = flags.service ?? (services.length === 1 ? services[0] : undefined);
  if (service === undefined || !services.includes(service)) {
    if (services.length === 0) {
      throw new CommandError(
        2,
        `${file}: no VirtualService and no DestinationRule (expected: one at least)`,
        'check the file',
      );
    }
    const given = service === undefined ? `${services.length} services` : `--service: ${service}`;
    throw new CommandError(2, `${file}: ${given} (expected: one of ${services.join(', ')})`, 'name one with --service');
  }
  const { document, unmapped } = importIstio(resources, { service, labelsAs: flags.labels });
  const rest = others.length === 0 ? [] : [`not looked at: ${others.join(', ')}`];
  await presentImport(
    { service, document, unsaid: unmapped, notes: rest },
    {
      ...(flags.json === undefined ? {} : { json: flags.json }),
      ...(flags.output === undefined ? {} : { out: flags.output }),
    },
    io,
  );
}
