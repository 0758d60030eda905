import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** What answers at a port. */
export type PortSpeech =
  | 'http2'
  | 'http2 over TLS'
  /** HTTP/1, in plaintext or over TLS: no gRPC server. */
  | 'http1'
  /** Nobody listens there. */
  | 'refused'
  /** No connection, or no word, within the time: a firewall, or a process that hangs. */
  | 'silent'
  | 'something else';

/** The client's preface and an empty SETTINGS frame: https://www.rfc-editor.org/rfc/rfc9113#section-3.4 */
const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const SETTINGS = 0x04;
const FRAME_HEAD_BYTES = 9;

/** Connects, says what an HTTP/2 client says first, and listens for the answer. Never rejects. */
export async function hearPort(host: string, port: number, timeLimitMs: number): Promise<PortSpeech> {
  const plain = await hear(connect({ host, port }), timeLimitMs, plainSpeech);
  if (plain !== 'something else') return plain;
  // Who wants TLS answers plaintext by an alert, or hangs up.
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({
    host,
    port,
    ALPNProtocols: ['h2', 'http/1.1'],
    rejectUnauthorized: false,
    ...servername,
  });
  return new Promise((resolve) => {
    const end = (speech: PortSpeech): void => {
      socket.destroy();
      resolve(speech);
    };
    socket.setTimeout(timeLimitMs, () => end('something else'));
    socket.once('error', () => end('something else'));
    socket.once('secureConnect', () => end(socket.alpnProtocol === 'h2' ? 'http2 over TLS' : 'http1'));
  });
}

function hear(
  socket: Socket,
  timeLimitMs: number,
  speechOf: (heard: Buffer) => PortSpeech | undefined,
): Promise<PortSpeech> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const end = (speech: PortSpeech): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(speech);
    };
    const timer = setTimeout(() => end('silent'), timeLimitMs);
    let isConnected = false;
    socket.once('connect', () => {
      isConnected = true;
      socket.write(PREFACE);
    });
    socket.on('data', (bytes: Buffer) => {
      heard = Buffer.concat([heard, bytes]);
      const speech = speechOf(heard);
      if (speech !== undefined) end(speech);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (isConnected) end('something else');
      else end(error.code === 'ECONNREFUSED' ? 'refused' : 'silent');
    });
    socket.once('close', () => end('something else'));
  });
}

/** Undefined: not heard enough yet. */
function plainSpeech(heard: Buffer): PortSpeech | undefined {
  if (heard.toString('latin1', 0, 5) === 'HTTP/') return 'http1';
  if (heard.length < FRAME_HEAD_BYTES) return undefined;
  return heard[3] === SETTINGS ? 'http2' : 'something else';
}
