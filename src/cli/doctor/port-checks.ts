import type { Instance } from '../../base/instances';
import type { Finding, Question } from './finding';
import { hearPort, type PortSpeech } from './port-speech';

const TIME_LIMIT_MS = 2_000;
/** Instances of a service that are dialled: enough to see what is wrong with a deployment. */
const MOST_DIALLED = 32;
const MOST_NAMED = 3;

/** What usable instances speak, heard from here. */
export async function checkPorts(
  { service, isTls }: Question,
  usable: readonly Instance[],
): Promise<readonly Finding[]> {
  const dialled = usable.slice(0, MOST_DIALLED);
  const heard = await Promise.all(
    dialled.map(async (instance) => ({
      instance,
      speech: await hearPort(instance.address, instance.port, TIME_LIMIT_MS),
    })),
  );
  const all = dialled.length;
  const check = `ports of ${service}`;
  const right: PortSpeech = isTls ? 'http2 over TLS' : 'http2';
  const findings: Finding[] = [];
  const tell = (speech: PortSpeech, state: Finding['state'], what: string, next: string): void => {
    const those = heard.filter((each) => each.speech === speech).map(({ instance }) => instance);
    if (those.length === 0) return;
    const named = those.slice(0, MOST_NAMED).map(({ id, address, port }) => `${id} at ${address}:${port}`);
    const more = those.length > MOST_NAMED ? ', ...' : '';
    findings.push({ check, state, finding: `${those.length} of ${all} ${what}: ${named.join(', ')}${more}`, next });
  };
  const register = 'register the port on which the gRPC server listens, or look at the process';
  tell('refused', 'problem', 'refuse connections although their checks pass', register);
  tell('http1', 'problem', 'speak HTTP/1 and no gRPC', `${register}: it may be that of metrics or health`);
  tell('something else', 'problem', 'speak neither HTTP/2 nor TLS', register);
  const late = 'look for a firewall between here and there, or a process that hangs; --no-dial leaves this out';
  tell('silent', 'warning', `do not answer from here within ${TIME_LIMIT_MS / 1000} s`, late);
  if (isTls) {
    tell(
      'http2',
      'problem',
      'speak plaintext, and clients use TLS',
      'give clients createInsecure(), or servers createSsl()',
    );
  } else {
    const isMixed = heard.some(({ speech }) => speech === 'http2');
    const next = 'clients need credentials.createSsl(); --tls says that they have it';
    tell(
      'http2 over TLS',
      isMixed ? 'problem' : 'warning',
      'speak TLS, and clients with createInsecure() cannot call them',
      next,
    );
  }
  const well = heard.filter(({ speech }) => speech === right).length;
  if (well > 0 && findings.length === 0)
    findings.push({ check, state: 'ok', finding: `${well} of ${all} speak ${right}` });
  return findings;
}
