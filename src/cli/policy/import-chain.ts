import { exportChain } from '../../ops/chain/export';
import { compileChain } from '../../policy/chain/compile';
import { isDefaultChain } from '../../policy/chain/decisions';
import { CommandError } from '../command-error';
import { connectConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import { readChainNow } from './chain-now';
import type { ImportChainFlags } from './commands/import-chain';
import { presentImport } from './imported-document';

/** `policy import-chain`. */
export async function importChain(service: string, flags: ImportChainFlags, io: CommandIo): Promise<void> {
  const connection = await connectConsul(flags, io);
  try {
    const [datacenter, ...others] = await connection.datacenters();
    if (others.length > 0) {
      throw new CommandError(2, `--dc: ${flags.dc} (expected: one datacenter)`, 'name the one whose entries you want');
    }
    const chain = await readChainNow(connection.client, service, datacenter);
    const { warnings } = compileChain(chain, { service, sourceAddress: '127.0.0.1' });
    const exported = exportChain(chain, { service });
    // What the chain itself cannot have here is news to whoever comes from a proxy.
    const paths = new Set(exported.unsaid.map(({ path }) => path));
    const unsaid = [...exported.unsaid, ...warnings.filter(({ path }) => !paths.has(path))];
    const notes = isDefaultChain(chain)
      ? [...exported.notes, 'no config entry shapes this chain: without a document clients would do the same']
      : exported.notes;
    await presentImport(
      { service, document: exported.document, unsaid, notes },
      {
        ...(flags.json === undefined ? {} : { json: flags.json }),
        ...(flags.output === undefined ? {} : { out: flags.output }),
      },
      io,
    );
  } finally {
    connection.close();
  }
}
