import { compileChain } from '../../policy/chain/compile';
import { isDefaultChain } from '../../policy/chain/decisions';
import type { PolicyProblem } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { connectConsul } from '../consul/consul-connection';
import { nameOf } from '../consul/store-session';
import type { CommandIo } from '../io';
import { readChainNow } from './chain-now';
import type { LintChainFlags } from './commands/lint-chain';

interface Verdict {
  readonly datacenter: string;
  /** No entry shapes it: the service's instances, balanced. */
  readonly isDefault: boolean;
  /** The chain is not sound, and no client follows it. */
  readonly problems: readonly PolicyProblem[];
  readonly notHonoured: readonly PolicyProblem[];
}

/** `policy lint-chain`. */
export async function lintChain(service: string, flags: LintChainFlags, io: CommandIo): Promise<void> {
  const connection = await connectConsul(flags, io);
  const verdicts: Verdict[] = [];
  try {
    for (const datacenter of await connection.datacenters()) {
      const chain = await readChainNow(connection.client, service, datacenter);
      verdicts.push({ datacenter: nameOf(datacenter), ...judge(chain, service) });
    }
  } finally {
    connection.close();
  }
  if (verdicts.some(({ problems, notHonoured }) => problems.length + notHonoured.length > 0)) io.exitCode = 1;
  if (flags.json === true) {
    io.json({ service, datacenters: verdicts });
    return;
  }
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
