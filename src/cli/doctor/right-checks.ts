import { transact } from '../../ops/store/kv-transaction';
import { type Finding, type Question, TIME_LIMIT_MS } from './finding';

/** No key has it, so that a transaction that asks for it is refused or does not hold, and writes nothing. */
const NO_INDEX = '18446744073709551615';

/** Rights that only those need who change something: asked for by changes that cannot hold, and by a session that is ended at once. */
export async function checkRights({ service, dc, connection, role }: Question): Promise<readonly Finding[]> {
  if (role === 'reader') return [];
  const { client } = connection;
  const findings: Finding[] = [];
  const keys = [`graylane/policies/${service}`, `graylane/history/${service}/`];
  if (role === 'controller') keys.push(`graylane/rollouts/${service}`);
  for (const key of keys) {
    const outcome = await transact(client, dc, [{ verb: 'cas', key, index: NO_INDEX, value: '' }]);
    if (outcome.kind === 'conflict' || outcome.kind === 'done') continue;
    const finding = `the token lacks key:write on ${key} (${outcome.reason})`;
    const next = `give its ACL policy key_prefix "${key}" { policy = "write" }`;
    findings.push({ check: `rights of a ${role}`, state: 'problem', finding, next });
  }
  return findings;
}

/** A controller holds locks in the name of a Consul session. */
export async function checkSession({ client }: Question['connection']): Promise<readonly Finding[]> {
  const body = JSON.stringify({ Name: 'graylane doctor', TTL: '10s' });
  const made = await client.put({ path: '/session/create', body, timeLimitMs: TIME_LIMIT_MS });
  if (made.kind === 'failure') {
    const finding = `the token lacks session:write (${made.reason})`;
    const next = 'give its ACL policy session_prefix "" { policy = "write" }';
    return [{ check: 'rights of a controller', state: 'problem', finding, next }];
  }
  const { ID: id } = JSON.parse(made.body.toString('utf8')) as { readonly ID: string };
  await client.put({ path: '/session/destroy/{id}', params: { id }, body: '', timeLimitMs: TIME_LIMIT_MS });
  return [];
}
