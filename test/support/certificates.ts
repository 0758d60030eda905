import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/**
 * Certificates for tests, made of node:crypto alone, so that an expired one, or one for any name, needs no tool that a
 * machine may lack. ECDSA P-256; just enough of X.509 for Node, Go and OpenSSL.
 */
export interface Authority {
  /** PEM. */
  readonly ca: string;
  issue(options: IssueOptions): Issued;
}

export interface IssueOptions {
  /** DNS names, IPv4 addresses, and URIs. */
  readonly names: readonly string[];
  /** From now; negative: expired that long ago. Default: one day. */
  readonly validForMs?: number;
}

export interface Issued {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

export function createAuthority(name = 'test authority'): Authority {
  const { privateKey, publicKey } = newKeys();
  const ca = certificate({
    subject: name,
    issuer: name,
    publicKey,
    signer: privateKey,
    validForMs: DAY_MS,
    extensions: [extension('2.5.29.19', der(0x30, der(0x01, Buffer.of(0xff))))],
  });
  return {
    ca,
    issue({ names, validForMs = DAY_MS }) {
      const keys = newKeys();
      const alternatives = names.map((each) => {
        if (isIPv4(each)) return der(0x87, Buffer.from(each.split('.').map(Number)));
        return der(each.includes('://') ? 0x86 : 0x82, Buffer.from(each));
      });
      const cert = certificate({
        subject: names[0] ?? 'nobody',
        issuer: name,
        publicKey: keys.publicKey,
        signer: privateKey,
        validForMs,
        extensions: [
          extension('2.5.29.17', der(0x30, ...alternatives)),
          extension('2.5.29.37', der(0x30, oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))),
        ],
      });
      return { cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}

interface Contents {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly validForMs: number;
  readonly extensions: readonly Buffer[];
}

function newKeys(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** RFC 5280, section 4.1. */
function certificate(contents: Contents): string {
  const algorithm = der(0x30, oid('1.2.840.10045.4.3.2'));
  const until = Date.now() + contents.validForMs;
  const serial = randomBytes(12);
  serial[0] = 0x01;
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    nameOf(contents.issuer),
    der(0x30, time(Math.min(until, Date.now()) - DAY_MS), time(until)),
    nameOf(contents.subject),
    contents.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, ...contents.extensions)),
  );
  const signature = sign('sha256', body, contents.signer);
  const whole = der(0x30, body, algorithm, der(0x03, Buffer.of(0), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(text: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid('2.5.4.3'), der(0x0c, Buffer.from(text)))));
}

function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function extension(identifier: string, value: Buffer): Buffer {
  return der(0x30, oid(identifier), der(0x04, value));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let high = part >>> 7; high > 0; high >>>= 7) groups.unshift((high & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

/** One element: tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const { length } = body;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}
