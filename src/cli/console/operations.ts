import type { ConsoleOperation } from '../../ops/console/operation';
import { askOperations } from './ask-operations';
import type { ConsoleSettings } from './console-session';
import { readOperations } from './read-operations';
import { writeOperations } from './write-operations';

/** Everything that the console's API does, each by the function of a command. */
export function consoleOperations(settings: ConsoleSettings): readonly ConsoleOperation[] {
  return [...readOperations(settings), ...askOperations(settings), ...writeOperations(settings)];
}
