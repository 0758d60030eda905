import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { exportChain } from '../../ops/chain/export';
import { importIstio } from '../../ops/istio/import';
import { readResources, servicesOf } from '../../ops/istio/resources';
import { compileChain } from '../../policy/chain/compile';
import { isDefaultChain } from '../../policy/chain/decisions';
import type { PolicyDocument } from '../../policy/document';
import type { PolicyProblem } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { CommandError, codeOf } from '../command';
import { readChainNow } from '../consul/chain-now';
import { type ConsulFlags, withConsul } from '../consul/consul-connection';
import { nameOf } from '../consul/store-session';
import type { CommandIo } from '../io';
import { formatOf, planOf, readText } from '../policy-files';

/**
 * Shows the document, or writes it to `out` (JSON where the name ends in `.json`, else YAML); what it leaves out goes
 * to standard error, and then the command ends with 1. Nothing is written that this library would refuse.
 */
async function presentImport(imported: ImportedDocument, out: string | undefined, io: CommandIo): Promise<void> {
  const { service, document, unsaid, notes } = imported;
  if (document !== undefined) planOf(document);
  if (unsaid.length > 0 || document === undefined) io.exitCode = 1;
  io.json({ service, document: document ?? null, unsaid, notes });
  for (const { message } of unsaid) io.note(`${io.colors.yellow('not in the document')} ${message}`);
  for (const note of notes) io.note(note);
  if (document === undefined) {
    throw new CommandError(1, `${service}: nothing that a policy document could say`, 'see what is reported above');
  }
  const asJson = out !== undefined && formatOf(out) === 'json';
  const text = asJson
    ? `${JSON.stringify(document, null, 2)}\n`
    : stringify(document, { aliasDuplicateObjects: false, lineWidth: 120 });
  if (out !== undefined) await write(out, text, io);
  else io.write(text);
}

/** A document made from rules of another system. */
interface ImportedDocument {
  readonly service: string;
  readonly document: PolicyDocument | undefined;
  /** What the document does not say, by the paths of what it was made from. */
  readonly unsaid: readonly PolicyProblem[];
  /** A sentence each. */
  readonly notes: readonly string[];
}

async function write(out: string, text: string, io: CommandIo): Promise<void> {
  try {
    await writeFile(out, text);
  } catch (error) {
    throw new CommandError(2, `--output: ${out}: ${codeOf(error)} (expected: a file that can be written)`);
  }
  io.note(`${out} written; try it: graylane policy validate ${out}`);
}

/** `policy import-chain`. */
export async function importChain(
  service: string,
  flags: ConsulFlags & { readonly output?: string },
  io: CommandIo,
): Promise<void> {
  await withConsul(flags, io, async (connection) => {
    const [datacenter, ...others] = await connection.datacenters();
    if (others.length > 0) {
      throw new CommandError(2, `--dc: ${flags.dc} (expected: one datacenter)`, 'name the one whose entries you want');
    }
    const chain = await readChainNow(connection.client, service, datacenter);
    const { warnings } = compileChain(chain, { service, sourceAddress: '127.0.0.1' });
    const { document, ...exported } = exportChain(chain, { service });
    // Fields of the chain that this library does not support are new to users of a proxy.
    const paths = new Set(exported.unsaid.map(({ path }) => path));
    const unsaid = [...exported.unsaid, ...warnings.filter(({ path }) => !paths.has(path))];
    const same = 'no config entry shapes this chain: without a document clients would do the same';
    const notes = isDefaultChain(chain) ? [...exported.notes, same] : exported.notes;
    await presentImport({ service, document, unsaid, notes }, flags.output, io);
  });
}

/** `policy import-istio`. */
export async function importIstioFile(file: string, flags: ImportIstioFlags, io: CommandIo): Promise<void> {
  const { resources, others, fault } = readResources(await readText(file));
  if (fault !== undefined) throw new CommandError(2, `${file}: ${fault} (expected: YAML)`, 'correct it');
  const services = servicesOf(resources);
  const service = flags.service ?? (services.length === 1 ? services[0] : undefined);
  if (services.length === 0) {
    const message = `${file}: no VirtualService and no DestinationRule (expected: one at least)`;
    throw new CommandError(2, message, 'check the file');
  }
  if (service === undefined || !services.includes(service)) {
    const given = service === undefined ? `${services.length} services` : `--service: ${service}`;
    throw new CommandError(2, `${file}: ${given} (expected: one of ${services.join(', ')})`, 'name one with --service');
  }
  const { document, unmapped: unsaid } = importIstio(resources, { service, labelsAs: flags.labels });
  const notes = others.length === 0 ? [] : [`not looked at: ${others.join(', ')}`];
  await presentImport({ service, document, unsaid, notes }, flags.output, io);
}

interface ImportIstioFlags {
  readonly output?: string;
  readonly service?: string;
  readonly labels: 'meta' | 'tags';
}

interface Verdict {
  readonly datacenter: string;
  /** No entry shapes it: the service's instances, balanced. */
  readonly isDefault: boolean;
  /** The chain is not sound, and no client follows it. */
  readonly problems: readonly PolicyProblem[];
  readonly notHonoured: readonly PolicyProblem[];
}

/** `policy lint-chain`. */
export async function lintChain(service: string, flags: ConsulFlags, io: CommandIo): Promise<void> {
  const verdicts: Verdict[] = [];
  await withConsul(flags, io, async (connection) => {
    for (const datacenter of await connection.datacenters()) {
      const chain = await readChainNow(connection.client, service, datacenter);
      verdicts.push({ datacenter: nameOf(datacenter), ...judge(chain, service) });
    }
  });
  if (verdicts.some(({ problems, notHonoured }) => problems.length + notHonoured.length > 0)) io.exitCode = 1;
  io.json({ service, datacenters: verdicts });
  const { colors } = io;
  for (const { datacenter, isDefault, problems, notHonoured } of verdicts) {
    const where = verdicts.length > 1 ? `${datacenter} ` : '';
    for (const { message } of problems) io.line(`${where}${colors.red('refused')} ${message}`);
    for (const { message } of notHonoured) io.line(`${where}${colors.yellow('not honoured')} ${message}`);
    if (problems.length + notHonoured.length > 0) continue;
    const what = isDefault ? 'no config entry shapes its chain' : 'every field is honoured';
    io.line(`${where}${colors.green('ok')} ${service}: ${what}`);
  }
}

function judge(chain: object, service: string): Omit<Verdict, 'datacenter'> {
  const isDefault = isDefaultChain(chain);
  try {
    const { warnings } = compileChain(chain, { service, sourceAddress: '127.0.0.1' });
    return { isDefault, problems: [], notHonoured: warnings };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { isDefault, problems: error.problems, notHonoured: [] };
  }
}
