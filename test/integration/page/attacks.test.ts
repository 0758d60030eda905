import { request } from 'node:http';
import { credentials } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { useBrowser } from '../../support/browser';
import { closeAfterAll } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { CHARGE } from '../../support/payments';
import { serve, serviceUrl } from './world';

const closing = closeAfterAll();
const browser = useBrowser();
let consul: ConsulCluster;
let graylane: Graylane;
let base: string;

/** Runs if a browser takes it for markup, wherever it stands. */
const MARKUP = `"'><img src=x onerror="globalThis.isHurt=true"><script>globalThis.isHurt=true</script>`;

const POLICY = {
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, odd: { meta: { note: MARKUP }, tags: [MARKUP] } },
  default: 'stable',
  routes: [{ name: 'odd', match: { labels: { 'x-note': MARKUP } }, to: 'odd' }],
  override: { to: 'stable', until: new Date(Date.now() + 600_000).toISOString(), by: MARKUP, reason: MARKUP },
};

beforeAll(async () => {
  consul = closing(await startConsul(), (each) => each.stop());
  const dc1 = consul.dc('dc1');
  const odd = { name: 'payments', id: MARKUP, address: '127.0.0.1', tags: [MARKUP, 'stable'], meta: { note: MARKUP } };
  await dc1.register({ ...odd, port: 9 });
  await dc1.register({ ...odd, id: 'second', tags: [MARKUP], meta: { version: MARKUP }, port: 10 });
  await dc1.putKv('graylane/policies/payments', JSON.stringify(POLICY));
  graylane = closing(createGraylane({ name: MARKUP, consul: { address: dc1.address } }), (each) => each.close());
  base = await serve(closing, graylane.adminHandler());
  const channel = closing(graylane.channel('payments', credentials.createInsecure()), (each) => each.close());
  channel.getConnectivityState(true);
  await vi.waitFor(() => graylane.explain('payments', { method: CHARGE }), { timeout: 20_000 });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`${base}${path}`, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const HTML = { accept: 'text/html' };

describe('script in names that Consul lets through', () => {
  it.each([['now'], ['endpoints'], ['policy'], ['explain']])('is text on the page (%s)', async (tab) => {
    const page = await browser.open(serviceUrl(base, graylane, tab));
    await page.getByText(MARKUP).first().waitFor();
    if (tab === 'explain') {
      await page.getByLabel('Method').fill(CHARGE);
      await page.getByLabel('Labels').fill(`x-note=${MARKUP}`);
      await page.getByRole('button', { name: 'Explain' }).click();
      await page.locator('.process-decided').waitFor();
    }
    expect(await page.evaluate('globalThis.isHurt')).toBeUndefined();
    expect(await page.locator('img, main script').count()).toBe(0);
    // The page's own policy would stop it if it were markup.
    expect(await page.evaluate('document.querySelectorAll("[onerror]").length')).toBe(0);
  });

  it('stays inside its string in JSON and in the stream, whose content is no markup', async () => {
    for (const path of ['/inspect', '/policy', '/', '/decisions']) {
      const { headers, text } = await get(path);
      expect(headers['content-type']).toContain('application/json');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(() => JSON.parse(text)).not.toThrow();
    }
  });
});

describe('a foreign page', () => {
  it.each([
    ['/', HTML],
    ['/', {}],
    ['/inspect', {}],
    ['/stream', {}],
    ['/kit.js', {}],
  ])('gets nothing of %s under a name that its DNS leads here', async (path, accept) => {
    const answer = await get(path, { ...accept, host: 'evil.example' });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toEqual({ error: expect.stringContaining('Host: "evil.example"') });
  });

  it('gets nothing by its Origin, and no header that would let it read', async () => {
    for (const path of ['/', '/inspect', '/stream']) {
      const answer = await get(path, { origin: 'http://evil.example' });
      expect(answer.status).toBe(403);
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect((await get('/inspect', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status).toBe(403);
  });

  it('cannot frame the page', async () => {
    const attacker = await serve(closing, (_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<iframe src="${base}/"></iframe>`);
    });
    const page = await browser.open(attacker, { allowed: /frame|ERR_BLOCKED|refused|Forbidden/i });
    await page.waitForLoadState('networkidle');
    const framed = page.frames().find((frame) => frame !== page.mainFrame());
    expect(await framed?.locator('#page').count()).toBe(0);
  });

  it('can have names allowed by the owner, and others not', async () => {
    const proxied = await serve(closing, graylane.adminHandler({ hosts: ['Admin.Example'] }));
    const ask = async (host: string) => {
      base = proxied;
      return (await get('/inspect', { host })).status;
    };
    const before = base;
    expect(await ask('admin.example:443')).toBe(200);
    expect(await ask('evil.example')).toBe(403);
    base = before;
    expect(() => graylane.adminHandler({ hosts: 'admin.example' as never })).toThrow(/adminHandler\.hosts/);
  });
});

it('lets nothing inline run, and loads nothing from elsewhere', async () => {
  const { headers, text } = await get('/', HTML);
  expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  expect(text).not.toMatch(/https?:|<script>|style=|\son\w+=/);
  const page = await browser.open('about:blank');
  const asked: string[] = [];
  page.on('request', (sent) => asked.push(sent.url()));
  await page.goto(base);
  await page.getByRole('heading', { name: 'Services' }).first().waitFor();
  expect(asked.filter((url) => !url.startsWith(base) && url !== 'data:,')).toEqual([]);
});

it('changes nothing, whatever the method', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    expect((await get('/', HTML, method)).status).toBe(405);
    expect((await get('/stream', {}, method)).status).toBe(405);
  }
});

it.each([
  ['/%2e%2e/%2e%2e/package.json'],
  ['/..%2fkit.js'],
  ['/kit.js.gz'],
  ['/\\evil.example'],
  ['//evil.example'],
  ['/https:evil.example'],
])('%s leads nowhere else', async (path) => {
  const { status, headers } = await get(path, HTML);
  if (status !== 307) return expect([200, 404]).toContain(status);
  // What a browser makes of it stays on this server.
  expect(new URL(String(headers['location']), `${base}${path}`).host).toBe(new URL(base).host);
});
