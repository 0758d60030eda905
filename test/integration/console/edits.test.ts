import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBrowser } from '../../support/browser';
import { policyOf } from '../cli/two-datacenters';
import { consoleWorld } from './console-world';
import { editorOf, focusedEditor, textIn, writeIn } from './editing';

const world = consoleWorld();
const browser = useBrowser();
const POLICY = 'The policy, as YAML';
const ROLLOUT = 'The rollout, as YAML';
const RULES =
  'key_prefix "graylane/" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } agent_prefix "" { policy = "read" }';

beforeAll(async () => {
  for (const name of ['payments', 'orders']) {
    for (const [at, tag] of ['stable', 'canary'].entries()) {
      await world.consul.register({ name, id: `${name}-${at}`, port: 20_000 + at, address: '127.0.0.1', tags: [tag] });
    }
    await world.apply(policyOf(name, 5), 'first');
  }
});

async function open(hash: string, token = world.consul.token ?? ''): Promise<Page> {
  const page = await browser.open(`http://127.0.0.1:${world.port}/${hash}`, { allowed: /status of 40[39]/ });
  await page.getByRole('button', { name: 'Give a token' }).click();
  await useToken(page, token);
  return page;
}

async function useToken(page: Page, token: string): Promise<void> {
  const dialog = page.getByRole('dialog', { name: 'Consul token' });
  await dialog.getByRole('textbox').fill(token);
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
}

async function applyOn(page: Page, why: string): Promise<void> {
  await page.getByRole('button', { name: 'Apply…' }).click();
  await page.getByRole('dialog').getByLabel('Why').fill(why);
  await page.keyboard.press('Enter');
}

interface Entry {
  readonly number: number;
  readonly message: string;
}

async function newest(service: string): Promise<Entry | undefined> {
  const { stdout } = await world.run(['policy', 'log', service, '--json']);
  return (JSON.parse(stdout) as { readonly entries: readonly Entry[] }[])[0]?.entries[0];
}

describe('two people who edit one policy', () => {
  it('are told of each other, and neither overwrites what was not seen', async () => {
    const page = await open('#/services/payments?part=policy');
    const yaml = await textIn(page, POLICY);
    await writeIn(page, POLICY, `${yaml}timeoutMs: 700\n`);
    await page.getByText('+ timeoutMs: 700').waitFor();
    await world.apply(policyOf('payments', 40), 'by somebody else');
    await page
      .getByRole('alert')
      .getByText(/has changed this policy since you began/)
      .waitFor({ timeout: 20_000 });
    // What it would take back of theirs is said, and is not done unasked.
    await page.getByText('routes[everyone].split[canary].weight: 40 → 5').waitFor();
    expect(await page.getByRole('button', { name: 'Apply…' }).isDisabled()).toBe(true);
    expect(await textIn(page, POLICY)).toContain('timeoutMs: 700');
    await page.getByRole('button', { name: 'Put mine in its place' }).click();
    await applyOn(page, 'mine, on purpose');
    await expect.poll(() => newest('payments')).toMatchObject({ message: 'mine, on purpose' });

    await writeIn(page, POLICY, `${yaml}timeoutMs: 800\n`);
    await page.getByText('timeoutMs: 700 → 800').waitFor();
    await world.apply(policyOf('payments', 50), 'again by somebody else');
    await page.getByRole('alert').waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Drop mine' }).click();
    await expect.poll(() => textIn(page, POLICY)).toContain('weight: 50');
    expect(await textIn(page, POLICY)).not.toContain('timeoutMs');
  });

  it('are kept from it by Consul where the page does not know yet', async () => {
    const page = await open('#/services/payments?part=policy');
    await writeIn(page, POLICY, `${await textIn(page, POLICY)}timeoutMs: 900\n`);
    await page.getByText('+ timeoutMs: 900').waitFor();
    // The page does not hear of it but by the check of what is typed after it.
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/services/payments/policy', async (route) => {
      if (route.request().method() === 'GET') await released;
      await route.continue();
    });
    await world.apply(policyOf('payments', 70), 'just before');
    await editorOf(page, POLICY).focus();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('# a word more');
    await page.getByText('routes[everyone].split[canary].weight: 70 → 50').waitFor();
    await applyOn(page, 'too late');
    await page
      .getByRole('dialog')
      .getByText(/is in force \(expected: /)
      .waitFor();
    release();
    await page
      .getByRole('alert')
      .getByText(/has changed this policy/)
      .waitFor();
    expect(await newest('payments')).toMatchObject({ message: 'just before' });
    expect(await textIn(page, POLICY)).toContain('timeoutMs: 900');
  });
});

describe('two people who drag one weight', () => {
  it('are told, and what it would do is asked anew before it is done', async () => {
    await world.apply(policyOf('payments', 60), 'as it was');
    const page = await open('#/services/payments');
    const slider = page.getByRole('slider', { name: 'canary' });
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.team-moved').waitFor();
    await page.getByRole('button', { name: 'Apply…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Why').fill('a little more');
    await world.apply(policyOf('payments', 30), 'by somebody else');
    await page.keyboard.press('Enter');
    await dialog.getByText(/is in force \(expected: /).waitFor();
    await dialog.getByText('routes[everyone].split[canary].weight: 30 → 61').waitFor();
    expect(await newest('payments')).toMatchObject({ message: 'by somebody else' });
    expect(await dialog.getByRole('checkbox').count()).toBe(0);
    await dialog.getByLabel('Why').press('Enter');
    await expect.poll(() => newest('payments')).toMatchObject({ message: 'a little more' });
  });
});

describe('a token that ends in the middle of an edit', () => {
  it('takes nothing away: another is given, and the edit is applied', async () => {
    const { accessor, secret } = await world.consul.createToken(RULES);
    const page = await open('#/services/orders?part=policy', secret);
    const yaml = await textIn(page, POLICY);
    await writeIn(page, POLICY, `${yaml}timeoutMs: 500\n`);
    await page.getByText('+ timeoutMs: 500').waitFor();
    await world.consul.request('DELETE', `/v1/acl/token/${accessor}`);
    await editorOf(page, POLICY).focus();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('retry: off');
    const other = page.getByRole('button', { name: 'Give another token' }).first();
    await other.waitFor();
    await other.click();
    await useToken(page, world.consul.token ?? '');
    await page.getByText('+ retry: "off"').waitFor();
    expect(await textIn(page, POLICY)).toBe(`${yaml}timeoutMs: 500\nretry: off`);
    await applyOn(page, 'with another token');
    await expect.poll(() => newest('orders')).toMatchObject({ message: 'with another token' });
  });

  it('is asked for in the dialog that it fails, and what was written there stays', async () => {
    const { accessor, secret } = await world.consul.createToken(RULES);
    const page = await open('#/services/orders', secret);
    const slider = page.getByRole('slider', { name: 'canary' });
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.team-moved').waitFor();
    await page.getByRole('button', { name: 'Apply…' }).click();
    const dialog = page.getByRole('dialog', { name: /canary to/ });
    await dialog.getByLabel('Why').fill('a long explanation');
    await world.consul.request('DELETE', `/v1/acl/token/${accessor}`);
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Give another token' }).first().click();
    await useToken(page, world.consul.token ?? '');
    expect(await dialog.getByLabel('Why').inputValue()).toBe('a long explanation');
    // What it would do is asked anew, with the other token: the button waits for that, where a key would be lost.
    await dialog.getByRole('button', { name: 'Apply', exact: true }).click();
    await expect.poll(() => newest('orders')).toMatchObject({ message: 'a long explanation' });
  });
});

describe('an edit', () => {
  it('outlives a look elsewhere, and not the token that is forgotten', async () => {
    const page = await open('#/services/orders?part=policy');
    const yaml = await textIn(page, POLICY);
    await writeIn(page, POLICY, `${yaml}# not yet sent\n`);
    await page.getByRole('link', { name: 'History' }).click();
    await page.locator('.team-timeline li').first().waitFor();
    await page.getByRole('link', { name: 'Policy' }).click();
    expect(await textIn(page, POLICY)).toContain('# not yet sent');
    await page.getByRole('button', { name: 'Token given' }).click();
    await page.getByRole('button', { name: 'Forget it' }).click();
    await page.getByRole('button', { name: 'Give a token' }).click();
    await useToken(page, world.consul.token ?? '');
    await expect.poll(() => textIn(page, POLICY)).toBe(yaml);
  });

  it('is helped by the schema, by the keyboard, and Tab leaves it', async () => {
    const page = await open('#/services/orders?part=policy');
    await textIn(page, POLICY);
    await editorOf(page, POLICY).focus();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('retryB');
    await page.locator('.cm-tooltip').getByText('retryBudget').waitFor();
    await page.waitForTimeout(150);
    await page.keyboard.press('Enter');
    await expect.poll(() => textIn(page, POLICY)).toContain('retryBudget: ');
    await page.keyboard.press('Tab');
    expect(await focusedEditor(page)).toBeUndefined();
  });
});

describe('a rollout', () => {
  const status = async (): Promise<readonly { readonly id: string; readonly state: { readonly kind: string } }[]> =>
    JSON.parse((await world.run(['rollout', 'status', 'orders', '--json'])).stdout);

  it('is begun by the form and the keyboard alone, as the command would, and refused while another runs', async () => {
    const page = await open('#/services/orders?part=rollout');
    await page.getByText('There is no rollout.').waitFor();
    expect(await textIn(page, ROLLOUT)).toContain('canary: canary\nstable: stable\nsteps:\n  - setWeight: 5\n');
    const focused = (): Promise<string> =>
      page.evaluate(
        '(document.activeElement?.labels?.[0] ?? document.activeElement?.shadowRoot?.activeElement ?? document.activeElement)?.textContent?.trim() ?? ""',
      );
    const tabTo = async (name: string): Promise<void> => {
      for (let press = 0; press < 40; press += 1) {
        if ((await focused()) === name) return;
        await page.keyboard.press('Tab');
      }
      expect.fail(`${name} cannot be reached by keyboard`);
    };
    await tabTo('Weights in order, percent');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('10, 120');
    const problems = page.getByRole('list', { name: 'Problems' });
    await problems.getByText('steps[3].setWeight: 120').waitFor();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('10, 100');
    await expect.poll(() => problems.innerText()).toBe('');
    await tabTo('Start a rollout…');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await tabTo('Why');
    await page.keyboard.type('a new version');
    await page.keyboard.press('Enter');
    await page.getByText('No controller drives it').waitFor();
    expect((await status())[0]?.state.kind).toBe('running');

    const text = 'schema: 1\nservice: orders\ncanary: canary\nstable: stable\nsteps: [{ setWeight: 50 }]\n';
    const start = (body: object) => world.ask('PUT', '/api/services/orders/rollout/start', { body });
    const second = await start({ text, message: 'too early' });
    expect([second.status, second.json.error?.message]).toEqual([409, expect.stringContaining('is under way')]);
    const checked = await world.ask<{ readonly refusal: string }>('POST', '/api/services/orders/rollout/check', {
      body: { text },
    });
    expect(checked.json.result.refusal).toContain('is under way');

    await page.getByRole('button', { name: 'Abort: weight 0' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('enough');
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await status())[0]?.state.kind).toBe('aborted');
    await page.getByRole('heading', { name: 'Start a rollout' }).waitFor();
  });

  it('is judged as its file would be, and nothing of a bad one is written', async () => {
    const before = JSON.stringify(await status());
    const cases: readonly (readonly [text: string, status: number, says: RegExp])[] = [
      ['schema: 1\nservice: payments\ncanary: canary\nstable: stable\nsteps: [{ setWeight: 5 }]\n', 422, /problems/],
      ['schema: 1\nservice: orders\ncanary: canary\nstable: canary\nsteps: []\n', 422, /problems/],
      ['steps: [', 422, /problems/],
      ['schema: 1\nservice: orders\ncanary: nobody\nstable: stable\nsteps: [{ setWeight: 5 }]\n', 409, /nobody/],
    ];
    for (const [text, code, says] of cases) {
      const answer = await world.ask('PUT', '/api/services/orders/rollout/start', { body: { text, message: 'x' } });
      expect([text, answer.status, answer.json.error?.message]).toEqual([text, code, expect.stringMatching(says)]);
    }
    const noWhy = { body: { text: cases[0]?.[0] } };
    expect((await world.ask('PUT', '/api/services/orders/rollout/start', noWhy)).status).toBe(400);
    const nobody = { ...noWhy, token: '' };
    expect((await world.ask('PUT', '/api/services/orders/rollout/start', nobody)).status).toBe(400);
    const text = 'schema: 1\nservice: orders\ncanary: canary\nstable: stable\nsteps: [{ setWeight: 5 }]\n';
    const withoutToken = { body: { text, message: 'x' }, token: '' };
    expect((await world.ask('PUT', '/api/services/orders/rollout/start', withoutToken)).status).toBe(403);
    expect(JSON.stringify(await status())).toBe(before);
  });
});

describe('while Consul is gone', () => {
  it('what was shown stays, and the page says why nothing moves', async () => {
    const page = await browser.open(`http://127.0.0.1:${world.port}/#/services/orders`, {
      allowed: /status of (40[39]|502)/,
    });
    await page.getByRole('button', { name: 'Give a token' }).click();
    await useToken(page, world.consul.token ?? '');
    await page.getByText('2 in all').waitFor();
    world.consul.freeze();
    try {
      await page
        .getByText(/does not answer|no answer|timed out|deadline/i)
        .first()
        .waitFor({ timeout: 60_000 });
      expect(await page.getByRole('region', { name: 'Instances' }).locator('tbody tr').count()).toBe(2);
    } finally {
      world.consul.thaw();
    }
    await expect.poll(() => page.getByText(/does not answer/i).count(), { timeout: 60_000 }).toBe(0);
  }, 150_000);
});
