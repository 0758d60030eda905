import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Instance } from '../../base/instances';
import { type Finding, ok, type Question } from './finding';

const TIME_LIMIT_MS = 2_000;
/** Instances of a service that are dialled: enough to see what is wrong with a deployment. */
const MOST_DIALLED = 32;
const MOST_NAMED = 3;

/** Detects the protocol of usable instances, from this machine. */
export async function checkPorts(
  { service, flags }: Question,
  usable: readonly Instance[],
): Promise<readonly Finding[]> {
  const dialled = usable.slice(0, MOST_DIALLED);
  const found = await Promise.all(
    dialled.map(async (instance) => ({ instance, protocol: await detectProtocol(instance, TIME_LIMIT_MS) })),
  );
  const all = dialled.length;
  const check = `ports of ${service}`;
  const isTls = flags.tls === true;
  const right: PortProtocol = isTls ? 'http2 over TLS' : 'http2';
  const findings: Finding[] = [];
  const report = (protocol: PortProtocol, state: Finding['state'], what: string, next: string): void => {
    const instances = found.filter((each) => each.protocol === protocol).map(({ instance }) => instance);
    if (instances.length === 0) return;
    const named = instances.slice(0, MOST_NAMED).map(({ id, address, port }) => `${id} at ${address}:${port}`);
    const more = instances.length > MOST_NAMED ? ', ...' : '';
    findings.push({ check, state, finding: `${instances.length} of ${all} ${what}: ${named.join(', ')}${more}`, next });
  };
  const register = 'register the port on which the gRPC server listens, or look at the process';
  report('refused', 'problem', 'refuse connections although their checks pass', register);
  report('http1', 'problem', 'speak HTTP/1 and no gRPC', `${register}: it may be that of metrics or health`);
  report('something else', 'problem', 'speak neither HTTP/2 nor TLS', register);
  const late = 'look for a firewall between here and there, or a process that hangs; --no-dial leaves this out';
  report('silent', 'warning', `do not answer from here within ${TIME_LIMIT_MS / 1000} s`, late);
  if (isTls) {
    const next = 'give clients createInsecure(), or servers createSsl()';
    report('http2', 'problem', 'speak plaintext, and clients use TLS', next);
  } else {
    const isMixed = found.some(({ protocol }) => protocol === 'http2');
    const next = 'clients need credentials.createSsl(); --tls says that they have it';
    const what = 'speak TLS, and clients with createInsecure() cannot call them';
    report('http2 over TLS', isMixed ? 'problem' : 'warning', what, next);
  }
  const matching = found.filter(({ protocol }) => protocol === right).length;
  if (matching > 0 && findings.length === 0) findings.push(ok(check, `${matching} of ${all} speak ${right}`));
  return findings;
}

/** What answers at a port. */
type PortProtocol =
  | 'http2'
  | 'http2 over TLS'
  /** HTTP/1, in plaintext or over TLS: no gRPC server. */
  | 'http1'
  /** No process listens there. */
  | 'refused'
  /** No connection, or no word, within the time: a firewall, or a process that hangs. */
  | 'silent'
  | 'something else';

/** The client's preface and an empty SETTINGS frame: https://www.rfc-editor.org/rfc/rfc9113#section-3.4 */
const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const SETTINGS = 0x04;
const FRAME_HEAD_BYTES = 9;

/** Connects, sends the preface of an HTTP/2 client and reads the first answer. Never rejects. */
async function detectProtocol({ address: host, port }: Instance, timeLimitMs: number): Promise<PortProtocol> {
  const plain = await detectPlain(connect({ host, port }), timeLimitMs);
  if (plain !== 'something else') return plain;
  // A TLS server answers plaintext with an alert, or closes the connection.
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const offered = { ALPNProtocols: ['h2', 'http/1.1'], rejectUnauthorized: false };
  const socket = connectTls({ host, port, ...offered, ...servername });
  return new Promise((resolve) => {
    const end = (protocol: PortProtocol): void => {
      socket.destroy();
      resolve(protocol);
    };
    socket.setTimeout(timeLimitMs, () => end('something else'));
    socket.once('error', () => end('something else'));
    socket.once('secureConnect', () => end(socket.alpnProtocol === 'h2' ? 'http2 over TLS' : 'http1'));
  });
}

function detectPlain(socket: Socket, timeLimitMs: number): Promise<PortProtocol> {
  return new Promise((resolve) => {
    let found = Buffer.alloc(0);
    const end = (protocol: PortProtocol): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(protocol);
    };
    const timer = setTimeout(() => end('silent'), timeLimitMs);
    let isConnected = false;
    socket.once('connect', () => {
      isConnected = true;
      socket.write(PREFACE);
    });
    socket.on('data', (bytes: Buffer) => {
      found = Buffer.concat([found, bytes]);
      const protocol = plainProtocol(found);
      if (protocol !== undefined) end(protocol);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isConnected) end('something else');
      else end(error.code === 'ECONNREFUSED' ? 'refused' : 'silent');
    });
    socket.once('close', () => end('something else'));
  });
}

/** Undefined until enough bytes have come. */
function plainProtocol(found: Buffer): PortProtocol | undefined {
  if (found.toString('latin1', 0, 5) === 'HTTP/') return 'http1';
  if (found.length < FRAME_HEAD_BYTES) return undefined;
  return found[3] === SETTINGS ? 'http2' : 'something else';
}
