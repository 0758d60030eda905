import { type ControllerConfig, NO_CONFIG } from '../../ops/rollout/config/controller-config';
import { parseControllerConfig } from '../../ops/rollout/config/parse-controller-config';
import { CommandError } from '../command-error';
import { describeInFile, readBytes } from '../input/policy-file';
import type { CommandIo } from '../io';

/**
 * What `--config` names. Without a file: the reports of clients, and nothing else. Throws a CommandError when the file cannot be
 * gone by; each problem is told first, with its place.
 */
export async function readControllerFile(file: string | undefined, io: CommandIo): Promise<ControllerConfig> {
  if (file === undefined) return NO_CONFIG;
  const { config, problems } = parseControllerConfig(
    await readBytes(file),
    file.toLowerCase().endsWith('.json') ? 'json' : 'yaml',
  );
  if (config !== undefined) return config;
  for (const problem of problems) io.note(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  throw new CommandError(2, `--config: ${file}: refused, ${count}`, 'mend it and start again');
}
