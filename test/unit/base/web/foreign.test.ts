import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../../../src/base/web/foreign';

const at = (localAddress: string, headers: Record<string, string>, method = 'GET') => ({
  method,
  headers,
  socket: { localAddress },
});

describe('a listener on loopback', () => {
  it.each([
    ['localhost:9465'],
    ['LOCALHOST'],
    ['graylane.localhost:80'],
    ['127.0.0.1:9465'],
    ['[::1]:9465'],
    ['10.1.2.3'],
  ])('answers to %s', (host) => {
    expect(refusalOf(at('127.0.0.1', { host }), undefined)).toBeUndefined();
    expect(refusalOf(at('::ffff:127.0.0.1', { host }), undefined)).toBeUndefined();
  });

  it.each([['evil.example'], ['evil.example:9465'], ['localhost.evil.example'], ['127.0.0.1.evil.example'], ['']])(
    'does not answer to "%s"',
    (host) => {
      expect(refusalOf(at('127.0.0.1', { host }), undefined)).toContain('Host: ');
      expect(refusalOf(at('::1', { host }), undefined)).toContain('Host: ');
    },
  );

  it('answers to a name that was allowed', () => {
    expect(refusalOf(at('127.0.0.1', { host: 'admin.example:443' }), ['admin.example'])).toBeUndefined();
  });
});

it('checks names elsewhere only where some are given', () => {
  expect(refusalOf(at('10.0.0.5', { host: 'admin.example' }), undefined)).toBeUndefined();
  expect(refusalOf(at('10.0.0.5', { host: 'evil.example' }), ['admin.example'])).toContain('evil.example');
});

describe('a request of another site', () => {
  const host = 'localhost:9465';

  it.each([['http://evil.example'], ['null'], ['http://localhost:1'], ['file://']])('is refused: %s', (origin) => {
    expect(refusalOf(at('127.0.0.1', { host, origin }), undefined)).toContain('Origin: ');
  });

  it('is refused though it sends no Origin, unless somebody follows a link', () => {
    const site = { host, 'sec-fetch-site': 'cross-site' };
    expect(refusalOf(at('127.0.0.1', { ...site, 'sec-fetch-mode': 'no-cors' }), undefined)).toContain('cross-site');
    expect(refusalOf(at('127.0.0.1', { ...site, 'sec-fetch-mode': 'navigate' }, 'POST'), undefined)).toBeDefined();
    expect(refusalOf(at('127.0.0.1', { ...site, 'sec-fetch-mode': 'navigate' }), undefined)).toBeUndefined();
  });

  it('is told from one of the page itself', () => {
    expect(refusalOf(at('127.0.0.1', { host, origin: `http://${host}` }), undefined)).toBeUndefined();
    expect(refusalOf(at('127.0.0.1', { host, origin: `https://${host}` }), undefined)).toBeUndefined();
  });
});
