import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { axeFindings, DESK, isTooWide, PHONE, useBrowser } from '../../support/browser';
import { policyOf } from '../cli/two-datacenters';
import { consoleWorld } from './console-world';
import { focusedEditor, giveToken, tellVisibility, textIn, writeIn } from './editing';

const POLICY = 'The policy, as YAML';
const world = consoleWorld();
const browser = useBrowser();
const EVIL = '"><img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';
/** The same without what a path cannot hold. */
const EVIL_NAME = 'x"><img src=x onerror=globalThis.pwned=1>';

beforeAll(async () => {
  await serve('payments');
  for (const [percent, message] of [
    [30, 'canary to 30 %'],
    [60, 'canary to 60 %'],
    [1, 'canary back to 1 %: slow checkout'],
  ] as const) {
    await world.apply(policyOf('payments', percent), message);
  }
  await serve('orders');
  await world.apply(policyOf('orders', 5), 'first');
});

async function serve(name: string, more: { tags?: string[]; meta?: Record<string, string> } = {}): Promise<void> {
  for (const [at, tag] of ['stable', 'stable', 'canary'].entries()) {
    const { tags = [], meta = {} } = more;
    const port = 20_000 + at;
    await world.consul.register({ name, id: `${name}-${at}`, port, address: '127.0.0.1', tags: [tag, ...tags], meta });
  }
}

/** The page, with the management token given as a person gives it. */
async function open(hash = '', options: Parameters<typeof browser.open>[1] = {}): Promise<Page> {
  const page = await browser.open(`http://127.0.0.1:${world.port}/${hash}`, {
    allowed: /status of 40[39]/,
    ...options,
  });
  await giveToken(page, world.consul.token);
  return page;
}

async function command(...args: readonly string[]): Promise<unknown> {
  return JSON.parse((await world.run([...args, '--json'])).stdout);
}

interface Log {
  readonly entries: readonly { readonly number: number; readonly message: string; readonly author: string }[];
}

async function logOf(service: string): Promise<Log['entries']> {
  return ((await command('policy', 'log', service)) as readonly Log[])[0]?.entries ?? [];
}

/** A user whom the last change of payments has moved back to stable. */
async function movedUser(): Promise<string> {
  for (let at = 0; at < 50; at += 1) {
    const { json } = await world.ask<{ steps: { hasMoved: boolean }[] }[]>(
      'POST',
      '/api/services/payments/explain/history',
      { body: { labels: { 'x-user-id': `u-${at}` } } },
    );
    if (json.result[0]?.steps[0]?.hasMoved === true) return `u-${at}`;
  }
  return expect.fail('nobody moved');
}

describe('somebody on call', () => {
  it('finds why a user got the old page and undoes what caused it, by the keyboard alone', async () => {
    const user = await movedUser();
    const page = await open();
    const began = Date.now();
    await page.getByRole('searchbox').focus();
    await page.keyboard.type('pay');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'payments' }).waitFor();
    // Reading goes on at the new page, not at the place of a field that is gone.
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('main');
    await page.getByLabel('Labels of the call').focus();
    await page.keyboard.type(`x-user-id=${user}`);
    await page.keyboard.press('Enter');
    const cause = page.locator('.team-cause');
    await cause.waitFor();
    expect(await page.locator('.team-decision').innerText()).toContain('Goes to stable');
    const said = await cause.innerText();
    expect(said).toContain('moved this call from canary to stable');
    expect(said).toContain('canary back to 1 %: slow checkout');
    await cause.getByRole('button', { name: 'Back to number 2' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('routes[everyone].split[canary].weight: 1 → 60').waitFor();
    await dialog.getByLabel('Why').focus();
    await page.keyboard.type(`${user} got the old page`);
    await page.keyboard.press('Enter');
    await page.getByText('Written in local: number 4').waitFor();
    await expect.poll(() => page.locator('.team-decision').innerText()).toContain('Goes to canary');
    expect(Date.now() - began).toBeLessThan(60_000);
    const [newest] = await logOf('payments');
    expect(newest).toMatchObject({ number: 4, message: `${user} got the old page` });
  });
});

describe('what the pages say', () => {
  it('is what the commands say: history, instances, shares', async () => {
    const page = await open('#/services/orders?part=history');
    await page.locator('.team-timeline li').first().waitFor();
    const log = await logOf('orders');
    expect(await page.locator('.team-timeline li strong').allInnerTexts()).toEqual(
      log.map(({ number }) => `#${number}`),
    );
    expect(await page.locator('.team-timeline li p').first().innerText()).toBe(log[0]?.message);
    await page.getByRole('link', { name: 'Overview' }).click();
    const { instances } = (await command('instances', 'orders')) as {
      instances: { instance: string; subsets: string[] }[];
    };
    await page.getByText(`${instances.length} in all`).waitFor();
    const rows = await page.getByRole('region', { name: 'Instances' }).locator('tbody tr').allInnerTexts();
    for (const { instance, subsets } of instances) {
      expect(rows.some((row) => row.includes(instance) && row.includes(subsets[0] ?? '?'))).toBe(true);
    }
    await page.getByText('canary 5 %').first().waitFor();
  });

  it('is how many users a dragged weight moves, and what it writes', async () => {
    const page = await open('#/services/orders');
    const slider = page.getByRole('slider', { name: 'canary' });
    await slider.waitFor();
    await slider.focus();
    for (let step = 0; step < 5; step += 1) await page.keyboard.press('ArrowRight');
    const moved = page.locator('.team-moved strong');
    await expect.poll(() => moved.innerText()).toMatch(/%/);
    const [planned] = (await command('weight', 'orders', 'canary', '10', '--dry-run')) as {
      movedCallers: { moved: number }[];
    }[];
    await expect.poll(() => moved.innerText()).toBe(`${((planned?.movedCallers[0]?.moved ?? 0) * 100).toFixed(1)} %`);
    await page.getByRole('button', { name: 'Apply…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('looks good');
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Written in local: number 2').waitFor();
    expect((await logOf('orders'))[0]).toMatchObject({ number: 2, message: 'looks good' });
    await page.getByText('canary 10 %').first().waitFor();
  });
});

describe('changing things', () => {
  it('shows what is wrong with a text where it is, then applies it', async () => {
    const page = await open('#/services/orders?part=policy');
    const yaml = await textIn(page, POLICY);
    await writeIn(page, POLICY, yaml.replace('default: stable', 'default: stabel'));
    const problems = page.getByRole('list', { name: 'Problems' });
    await problems.getByText('default').waitFor();
    expect(await page.getByRole('button', { name: 'Apply…' }).isDisabled()).toBe(true);
    const line = problems.getByRole('button', { name: /^Line \d+$/ }).first();
    const [, number] = (await line.innerText()).split(' ');
    await line.click();
    expect(await focusedEditor(page)).toBe(POLICY);
    // The mark stands beside the line, and the cursor in it.
    await page.locator('.cm-lint-marker-error').waitFor();
    expect(await page.locator('.cm-activeLine').innerText()).toContain('stabel');
    expect(yaml.split('\n')[Number(number) - 1]).toContain('default: stable');
    await writeIn(page, POLICY, `${yaml}timeoutMs: 900\n`);
    await page.getByText('+ timeoutMs: 900').waitFor();
    await page.getByRole('button', { name: 'Apply…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('a limit');
    await page.keyboard.press('Enter');
    await page.getByText(/Written in local: number \d+/).waitFor();
    expect((await logOf('orders'))[0]?.message).toBe('a limit');
  });

  it('tells what a change would break, and does it only when told to', async () => {
    await world.apply(
      { ...policyOf('payments', 60), subsets: { stable: { tags: ['stable'] }, canary: { tags: ['gone'] } } },
      'x',
    );
    const page = await open('#/services/payments?part=history');
    const before = (await logOf('payments')).length;
    await world.apply(policyOf('payments', 60), 'whole again');
    await page.reload();
    await giveToken(page, world.consul.token);
    await page.getByRole('button', { name: `Back to number ${before}`, exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('none of 3 instances has tag gone').first().waitFor();
    await dialog.getByLabel('Why').fill('to see');
    expect(await dialog.getByRole('button', { name: 'Roll back' }).isDisabled()).toBe(true);
    await dialog.getByRole('checkbox').check();
    expect(await dialog.getByRole('button', { name: 'Roll back' }).isDisabled()).toBe(false);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await logOf('payments')).toHaveLength(before + 1);
    await page.getByRole('button', { name: `Back to number ${before}`, exact: true }).click();
    await dialog.getByText('none of 3 instances has tag gone').first().waitFor();
    await dialog.getByLabel('Why').fill('it is meant');
    await dialog.getByRole('checkbox').check();
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await page.getByText(`Written in local: number ${before + 2}`).waitFor();
    await world.apply(policyOf('payments', 60), 'whole again');
  });

  it('deletes a policy, which leaves a tombstone', async () => {
    await serve('gone');
    await world.apply(policyOf('gone', 5), 'first');
    const page = await open('#/services/gone?part=policy');
    await page.getByRole('button', { name: 'Delete the policy…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('no canaries any more');
    await page.keyboard.press('Enter');
    await page.getByText('Written in local: number 2').waitFor();
    await expect.poll(() => textIn(page, POLICY)).toContain('tombstone: true');
    expect(await page.getByRole('button', { name: 'Delete the policy…' }).count()).toBe(0);
  });

  it('sets an override, counts it down and ends it', async () => {
    const page = await open('#/services/orders?part=temporary');
    await page.getByLabel('All calls to').selectOption('stable');
    await page.getByRole('button', { name: 'Set an override…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('incident 42');
    await page.keyboard.press('Enter');
    const timer = page.getByRole('timer');
    await timer.waitFor();
    expect(await timer.innerText()).toMatch(/^(30 min 00|29 min \d\d) s$/);
    expect(await command('override', 'list')).toMatchObject([
      { service: 'orders', override: { reason: 'incident 42' } },
    ]);
    const first = await timer.innerText();
    await expect.poll(() => timer.innerText()).not.toBe(first);
    await page.getByRole('button', { name: 'End…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('over');
    await page.keyboard.press('Enter');
    await page.getByText('No overrides.').waitFor();
    expect(await command('override', 'list')).toEqual([]);
  });
});

describe('what runs for a while', () => {
  it('is a drill, which is started, shown and ended as the command would', async () => {
    const page = await open('#/services/orders?part=temporary');
    await page.getByLabel('Attempts at').selectOption('canary');
    await page.getByLabel('Fail with').selectOption('INTERNAL');
    const percent = page.getByLabel('Percent', { exact: true });
    await percent.fill('0');
    expect(await page.getByRole('button', { name: 'Start a drill…' }).isDisabled()).toBe(true);
    await percent.fill('12.5');
    await page.getByRole('button', { name: 'Start a drill…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('do they notice?');
    await page.keyboard.press('Enter');
    const row = page.getByRole('region', { name: 'Drills' }).locator('tbody tr');
    await row.waitFor();
    const said = await row.innerText();
    for (const part of ['12.5 % → canary: INTERNAL, stops above 5 % failed', 'do they notice?', 'min']) {
      expect(said).toContain(part);
    }
    expect(await command('drill', 'list')).toMatchObject([
      { service: 'orders', fault: { in: 'canary', abort: 'INTERNAL', percent: 12.5, reason: 'do they notice?' } },
    ]);
    await row.getByRole('button', { name: 'End…' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('they do');
    await page.keyboard.press('Enter');
    await page.getByText('No drills.').waitFor();
    expect(await command('drill', 'list')).toEqual([]);
  });

  it('is a lane, with what serves it and what it falls back to', async () => {
    await serve('laned', { meta: { lane: 'pr-42' } });
    await world.apply({ ...policyOf('laned', 5), lanes: { by: 'x-lane', meta: 'lane', fallback: 'stable' } }, 'lanes');
    const listed = (await command('lane', 'list')) as {
      lane: string;
      services: { service: string; usable: number }[];
    }[];
    expect(listed).toHaveLength(1);
    const page = await open('#/lanes');
    const row = page.getByRole('region', { name: 'Lanes' }).locator('tbody tr');
    await row.waitFor();
    const said = await row.innerText();
    for (const part of ['pr-42', 'x-lane', `laned ${listed[0]?.services[0]?.usable}/3`, 'never']) {
      expect(said).toContain(part);
    }
  });
});

describe('what the page does with what it must not', () => {
  it('keeps the token out of storage, address, document and requests, and forgets it with the page', async () => {
    const { token = '' } = world.consul;
    const page = await browser.open(`http://127.0.0.1:${world.port}/`, { allowed: /status of 40[39]/ });
    const addresses: string[] = [];
    page.on('request', (request) => addresses.push(`${request.url()} ${request.postData() ?? ''}`));
    await giveToken(page, token);
    await page.getByRole('link', { name: 'payments' }).click();
    await page.getByRole('heading', { level: 1, name: 'payments' }).waitFor();
    const places = await page.evaluate(`JSON.stringify([
      { ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.documentElement.outerHTML,
      history.state, window.name,
    ])`);
    for (const text of [String(places), ...addresses]) expect(text).not.toContain(token);
    expect(addresses.length).toBeGreaterThan(3);
    expect(new Set(addresses.map((each) => new URL(each.split(' ')[0] ?? '').origin))).toEqual(
      new Set([`http://127.0.0.1:${world.port}`]),
    );
    await page.reload();
    await page.getByRole('button', { name: 'Give a token' }).waitFor();
  });

  it('shows script in a service, tag, meta, subset, message and label as text', async () => {
    await serve(EVIL_NAME, { tags: [EVIL], meta: { note: EVIL } });
    await serve('evil', { tags: [EVIL], meta: { note: EVIL } });
    await world.apply(policyOf('evil', 5), EVIL);
    await world.apply(
      {
        ...policyOf('evil', 6),
        override: { to: 'stable', until: new Date(Date.now() + 9e6).toISOString(), by: EVIL, reason: EVIL },
      },
      EVIL,
    );
    const page = await open();
    await page.getByRole('link', { name: EVIL_NAME }).waitFor();
    for (const part of ['', '?part=history', '?part=policy', '?part=temporary', '?part=rollout']) {
      await page.goto(`http://127.0.0.1:${world.port}/#/services/evil${part}`);
      await page.getByRole('heading', { level: 1, name: 'evil' }).waitFor();
      if (part === '') {
        await page.getByLabel('Labels of the call').fill(`x-user-id=${EVIL.replaceAll(' ', '')}`);
        await page.keyboard.press('Enter');
        await page.locator('.team-decision').waitFor();
      }
      if (part === '?part=history') await page.locator('q, p', { hasText: 'onerror' }).first().waitFor();
    }
    await page.goto(`http://127.0.0.1:${world.port}/#/services/${encodeURIComponent(EVIL_NAME)}`);
    await page.getByRole('heading', { level: 1, name: EVIL_NAME }).waitFor();
    await page.goto(`http://127.0.0.1:${world.port}/#/temporary`);
    await page.getByRole('timer').first().waitFor();
    expect(await page.evaluate('globalThis.pwned')).toBeUndefined();
    expect(await page.locator('main img, main script').count()).toBe(0);
    await world.ask('DELETE', '/api/services/evil/override', { body: { message: 'over' } });
  });

  it('asks nothing while nobody looks at it, and at once when somebody does again', async () => {
    const page = await browser.open('about:blank', { allowed: /status of 40[39]/ });
    await page.clock.install();
    await page.goto(`http://127.0.0.1:${world.port}/#/services/payments?part=policy`);
    await giveToken(page, world.consul.token);
    await expect.poll(() => textIn(page, POLICY)).toContain('service: payments');
    let asked = 0;
    page.on('request', () => {
      asked += 1;
    });
    await tellVisibility(page, 'hidden');
    await page.clock.fastForward(600_000);
    expect(asked).toBe(0);
    await tellVisibility(page, 'visible');
    // Sooner than the next look would have been.
    await expect.poll(() => asked, { timeout: 5_000 }).toBeGreaterThan(0);
  });

  it('is not shown in a frame', async () => {
    const page = await browser.open('about:blank', { allowed: /frame/i });
    await page.setContent(`<iframe src="http://127.0.0.1:${world.port}/"></iframe>`);
    await expect.poll(() => page.frames().length).toBe(2);
    expect(await page.frames()[1]?.locator('#page').count()).toBe(0);
  });

  it('offers nothing to change where the console only reads', async () => {
    const port = await world.open({ readOnly: true }, { CONSUL_HTTP_TOKEN: world.consul.token ?? '' });
    const page = await browser.open(`http://127.0.0.1:${port}/#/services/payments?part=history`);
    await page.getByText('read only').waitFor();
    await page.locator('.team-timeline li').first().waitFor();
    expect(await page.getByRole('button', { name: /Back to number/ }).count()).toBe(0);
  });
});

describe('every view', () => {
  const views = [
    '#/services',
    '#/services/payments',
    '#/services/payments?part=policy',
    '#/services/payments?part=history',
    '#/services/payments?part=rollout',
    '#/services/payments?part=temporary',
    '#/temporary',
    '#/lanes',
  ];
  it.each([
    ['on a phone, in Chinese, dark', { viewport: PHONE, locale: 'zh-CN', colorScheme: 'dark' as const }],
    ['on a desk, in English, light', { viewport: DESK, locale: 'en-GB', colorScheme: 'light' as const }],
  ])('can be used by everybody and fits: %s', async (_, options) => {
    const page = await open('', options);
    for (const view of views) {
      await page.goto(`http://127.0.0.1:${world.port}/${view}`);
      await page.locator('.card, .team-timeline').first().waitFor();
      await expect.poll(() => page.getByText(/^(Loading…|加载中……)$/).count()).toBe(0);
      expect([view, await axeFindings(page), await isTooWide(page)]).toEqual([view, [], false]);
    }
    expect(await page.evaluate('document.documentElement.lang')).toBe(options.locale === 'zh-CN' ? 'zh-CN' : 'en');
  });
});
