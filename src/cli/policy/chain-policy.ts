import type { ConsulClient } from '../../consul/client';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import { exportChain } from '../../ops/chain/export';
import { judgeChain } from '../../ops/chain/judge';
import { inDatacenter } from '../../ops/store/kv';
import { isDefaultChain } from '../../policy/chain/decisions';
import type { PolicyProblem } from '../../policy/plan';
import { CommandError } from '../command';
import { readChainNow } from '../consul/chain-now';
import { type ConsulFlags, withConsul } from '../consul/consul-connection';
import { nameOf } from '../consul/store-session';
import type { CommandIo } from '../io';
import { type OutputFlags, presentImport } from './present-import';

/** `policy import-chain`. */
export async function importChain(service: string, flags: ConsulFlags & OutputFlags, io: CommandIo): Promise<void> {
  await withConsul(flags, io, async (connection) => {
    const [datacenter, ...others] = await connection.datacenters();
    if (others.length > 0) {
      throw new CommandError(2, `--dc: ${flags.dc} (expected: one datacenter)`, 'name the one whose entries you want');
    }
    const chain = await readChainNow(connection.client, service, datacenter);
    const resolver = await readResolver(connection.client, service, datacenter);
    const { document, ...exported } = exportChain(chain, { service, resolver: resolver.entry });
    // Fields of the chain that this library does not support are new to users of a proxy.
    const unsaid = [...exported.unsaid, ...exported.warnings, ...resolver.unsaid];
    const same = 'no config entry shapes this chain: without a document clients would do the same';
    const notes = isDefaultChain(chain) ? [...exported.notes, same] : exported.notes;
    await presentImport({ service, document, unsaid, notes }, flags, io);
  });
}

/** The service's own resolver, which has subsets that the chain may not have. */
async function readResolver(
  client: ConsulClient,
  service: string,
  dc: string | undefined,
): Promise<{ readonly entry: unknown; readonly unsaid: readonly PolicyProblem[] }> {
  const how = { params: { service }, query: inDatacenter(dc), timeLimitMs: PLAIN_TIME_LIMIT_MS };
  const answer = await client.get({ path: '/config/service-resolver/{service}', ...how });
  const path = `service-resolver/${service}`;
  const message = `${path}: not read, so a subset that no call goes to yet may be missing: `;
  if (answer.kind === 'failure') return { entry: undefined, unsaid: [{ path, message: message + answer.reason }] };
  // The service has none.
  if (answer.status === 404) return { entry: undefined, unsaid: [] };
  try {
    return { entry: JSON.parse(answer.body.toString('utf8')), unsaid: [] };
  } catch {
    return { entry: undefined, unsaid: [{ path, message: `${message}it is no JSON` }] };
  }
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
      const { problems, warnings: notHonoured } = judgeChain(chain, service);
      verdicts.push({ datacenter: nameOf(datacenter), isDefault: isDefaultChain(chain), problems, notHonoured });
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
