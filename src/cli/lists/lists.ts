import { defined } from '../../base/defined';
import {
  listNames,
  readFormerList,
  readList,
  type StoredList,
  unwritableValue,
  writeList,
} from '../../ops/lists/list-store';
import { checkMayRead, parseJsonRecord } from '../../ops/store/kv';
import { findAuthor } from '../../ops/store/policy-store';
import { LIST_NAME, parseValueList, ValueList } from '../../policy/value-list';
import { CommandError } from '../command';
import { type ConsulConnection, type ConsulFlags, withConsul } from '../consul/consul-connection';
import { nameOf } from '../consul/store-session';
import { didYouMean } from '../describe';
import { type CommandIo, fields } from '../io';
import { readText } from '../policy-files';

interface WriteFlags extends ConsulFlags {
  readonly message: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** Another writer may come between; its change is then the one before. */
const ATTEMPTS = 5;
/** Of the values that a file takes out, when they are told. */
const MOST_NAMED = 5;

/** `lists put`. */
export async function putList(name: string, file: string, flags: WriteFlags, io: CommandIo): Promise<void> {
  checkName(name);
  const text = await readText(file);
  if (parseJsonRecord(text) !== undefined) {
    throw new CommandError(1, `${file}: a JSON object (expected: a value a line, or a JSON list of texts)`);
  }
  const values = parseValueList(text);
  if (typeof values === 'string') throw new CommandError(1, `${file}: ${values}`);
  const odd = unwritableValue(values);
  if (odd !== undefined) {
    const expected = 'values without # at their beginning, and without spaces or line breaks around them';
    throw new CommandError(1, `${file}: ${JSON.stringify(odd.slice(0, 80))} (expected: ${expected})`);
  }
  await change(name, flags, io, async () => values);
}

/** `lists rollback`. */
export async function rollBackList(name: string, flags: WriteFlags, io: CommandIo): Promise<void> {
  checkName(name);
  await change(name, { ...flags, force: true }, io, async ({ client }, datacenter) => {
    const former = await readFormerList(client, name, datacenter);
    if (former === undefined) {
      const hint = didYouMean(name, await listNames(client, datacenter), 'run graylane lists list');
      throw new CommandError(1, `${name}: no change that could be undone`, hint);
    }
    return soundValues(former);
  });
}

async function change(
  name: string,
  flags: WriteFlags,
  io: CommandIo,
  next: (connection: ConsulConnection, datacenter: string | undefined) => Promise<ValueList>,
): Promise<void> {
  await withConsul(flags, io, async (connection) => {
    const results: unknown[] = [];
    for (const datacenter of await connection.datacenters()) {
      results.push(await changeIn(name, datacenter, flags, io, connection, next));
    }
    io.json(results);
  });
}

async function changeIn(
  name: string,
  datacenter: string | undefined,
  { message, dryRun = false, force = false }: WriteFlags,
  io: CommandIo,
  connection: ConsulConnection,
  next: (connection: ConsulConnection, datacenter: string | undefined) => Promise<ValueList>,
): Promise<object> {
  const { client } = connection;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = await readList(client, name, datacenter);
    const values = await next(connection, datacenter);
    const known = before === undefined || typeof before.values === 'string' ? new ValueList([]) : before.values;
    const added = [...values].filter((value) => !known.has(value));
    const removed = [...known].filter((value) => !values.has(value));
    const summary = `${values.size} values, ${added.length} added, ${removed.length} removed`;
    const where = `${name} in ${nameOf(datacenter)}`;
    if (removed.length * 2 > known.size && !force) {
      const shown = removed.slice(0, MOST_NAMED).join(', ');
      const found = `${removed.length} of ${known.size} values would go, ${shown} among them`;
      throw new CommandError(1, `${where}: ${found}; nothing was written`, 'if it is meant, add --force');
    }
    const result = {
      name,
      datacenter: nameOf(datacenter),
      values: values.size,
      added: added.length,
      removed: removed.length,
    };
    if (dryRun) {
      io.line(`would write ${where}: ${summary}`);
      return { ...result, outcome: 'planned' };
    }
    const made = { author: await findAuthor(client), message, time: new Date().toISOString() };
    if (await writeList(client, { name, datacenter, before, values, change: made })) {
      io.line(`wrote ${where}: ${summary}`);
      return { ...result, outcome: 'written' };
    }
  }
  throw new CommandError(1, `${name}: others write it all the time; nothing was written`, 'try again');
}

/** `lists list`. */
export async function listLists(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withConsul(flags, io, async ({ client, datacenters }) => {
    const found: object[] = [];
    for (const datacenter of await datacenters()) {
      const names = await listNames(client, datacenter);
      if (names.length === 0) await checkMayRead(client, 'graylane/lists', datacenter);
      for (const name of names) {
        const list = await readList(client, name, datacenter);
        if (list !== undefined) found.push({ datacenter: nameOf(datacenter), ...describe(list) });
      }
    }
    io.json(found);
    if (found.length === 0) io.line('no lists; run graylane lists put NAME FILE');
    else await io.table(found, fields('name', 'datacenter', 'values', 'changed', 'by', 'message'));
    if (found.some((each) => 'problem' in each)) io.exitCode = 1;
  });
}

function describe({ name, values, change }: StoredList): object {
  const isSound = typeof values !== 'string';
  const { time, author, message } = change ?? {};
  return {
    name,
    values: isSound ? values.size : `no list: ${values}`,
    ...defined({ changed: time, by: author, message }),
    ...(isSound ? {} : { problem: values }),
  };
}

/** `lists show`. */
export async function showList(
  name: string,
  flags: ConsulFlags & { readonly has?: string },
  io: CommandIo,
): Promise<void> {
  checkName(name);
  await withConsul(flags, io, async ({ client, datacenters }) => {
    const [datacenter] = await datacenters();
    const list = await readList(client, name, datacenter);
    if (list === undefined) {
      const there = (await listNames(client, datacenter)).join(', ');
      throw new CommandError(
        1,
        `${name}: no such list (expected: ${there === '' ? 'none is there' : `one of ${there}`})`,
      );
    }
    const values = soundValues(list);
    if (flags.has === undefined) {
      io.json([...values]);
      for (const value of values) io.write(`${value}\n`);
      return;
    }
    const isIn = values.has(flags.has);
    io.json({ name, value: flags.has, isIn });
    io.line(`${flags.has} is ${isIn ? '' : 'not '}in ${name} (${values.size} values)`);
    if (!isIn) io.exitCode = 1;
  });
}

function soundValues({ name, values }: StoredList): ValueList {
  if (typeof values === 'string') throw new CommandError(1, `${name}: no list: ${values}`);
  return values;
}

function checkName(name: string): void {
  if (LIST_NAME.test(name)) return;
  throw new CommandError(2, `name: ${JSON.stringify(name.slice(0, 80))} (expected: letters, digits, _, . and -)`);
}
