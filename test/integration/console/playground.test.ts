import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runBreaker } from '../../../src/console/playground/engine/run-breaker';
import { EXAMPLES, startOf } from '../../../src/console/playground/examples';
import { type PlaygroundState, readLink, writeLink } from '../../../src/console/playground/link';
import { findMovedCallers } from '../../../src/ops/compare/moved-callers';
import { CROWD_SIZE, userName } from '../../../src/ops/simulation/crowd';
import { compilePolicy } from '../../../src/policy/compile';
import type { Plan } from '../../../src/policy/plan';
import type { RoutingExplanation } from '../../../src/policy/routing/explain';
import { axeFindings, DESK, isTooWide, PHONE, useBrowser } from '../../support/browser';
import { graylane, graylaneJson } from '../cli/built-command';
import { type LiveCommand, startLive } from '../cli/live-command';

const browser = useBrowser();
const [FIRST] = EXAMPLES;
if (FIRST === undefined) throw new Error('no example');
const START = startOf(FIRST);

let command: LiveCommand;
let url: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'playground-'));
  command = startLive(['playground'], {});
  url = /http:\S+/.exec(await command.line(/http:/))?.[0] ?? '';
});

afterAll(async () => {
  expect(await command.interrupt()).toBe(0);
  await rm(folder, { recursive: true });
});

async function addressOf(state: Partial<PlaygroundState>): Promise<string> {
  return `${url}#${await writeLink({ ...START, ...state })}`;
}

async function stateOf(page: Page): Promise<PlaygroundState | undefined> {
  return readLink(new URL(page.url()).hash, START);
}

/** Waits until the page has decided. */
async function open(state: Partial<PlaygroundState> = {}, options: Parameters<typeof browser.open>[1] = {}) {
  const page = await browser.open(await addressOf(state), options);
  await page.locator('canvas').waitFor();
  return page;
}

function planOf(text: string): Plan {
  return compilePolicy({ content: text, format: 'yaml' }, { service: 'payments', origin: 'inline' });
}

/** What `policy validate` says of a file. */
interface Judged {
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

const SUBSETS = `schema: 1
service: payments
subsets:
  stable: { tags: [stable] }
  canary: { tags: [canary], fallback: stable }
default: stable
`;

const SPLIT = (canary: number): string => `${SUBSETS}routes:
  - name: everyone
    split:
      - { to: stable, weight: ${100 - canary} } # the base
      - { to: canary, weight: ${canary} }
    stickBy: x-user-id
`;

/** What the page says of the call. */
async function decisionOn(page: Page) {
  const texts = (selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();
  const [subset] = await texts('.play-goes strong');
  const [by] = await texts('.play-goes > span:nth-of-type(2)');
  return { subset, by, steps: await texts('.play-steps li'), reasons: await texts('.play-reason') };
}

describe('the playground decides as the command does', () => {
  const calls: readonly (Pick<PlaygroundState, 'policy' | 'labels'> & {
    readonly lanes?: string;
    readonly id: string;
  })[] = [
    ...EXAMPLES.filter(({ id }) => id !== 'lanes'),
    { id: 'sticky, as a tester', policy: FIRST.policy, labels: [['X-Gray', 'canary']] },
    { id: 'sticky, in the canary', policy: SPLIT(60), labels: [['x-user-id', 'u-3']] },
    {
      id: 'label, and the wrong region',
      policy: EXAMPLES[1]?.policy ?? '',
      labels: [
        ['x-gray', 'canary'],
        ['x-region', 'cn'],
      ],
    },
    {
      id: 'versions, from the office',
      policy: EXAMPLES.find(({ id }) => id === 'versions')?.policy ?? '',
      labels: [['x-ip', '10.9.8.7']],
    },
    { id: 'no routes', policy: SUBSETS, labels: [] },
  ];

  it('explains calls as graylane explain does', async () => {
    const page = await browser.open(url);
    const instances = join(folder, 'instances.yaml');
    await writeFile(instances, 'payments: [{ address: 10.0.0.1, port: 9000, tags: [stable, canary, next] }]\n');
    for (const { id, policy, labels } of calls) {
      const file = join(folder, 'policy.yaml');
      await writeFile(file, policy);
      const given = labels.flatMap(([key, value]) => ['--label', `${key}=${value}`]);
      const where = ['--policy', file, '--instances', instances, '--method', START.method];
      const { json } = await graylaneJson<{ readonly routing: RoutingExplanation }>([
        'explain',
        'payments',
        ...where,
        ...given,
      ]);
      const { decision, routes, revision, bucket } = json.routing;
      await page.goto(await addressOf({ policy, labels }));
      await page.getByText(`revision ${revision}`).waitFor();
      await expect.poll(async () => (await decisionOn(page)).subset, { message: id }).toBe(decision.subset);
      const shown = await decisionOn(page);
      if (decision.by === 'route') expect(shown.by, id).toBe(`by route ${decision.route}`);
      expect(
        shown.steps.map((step) => step.split('\n')[0]?.replace(/^. ?/, '')),
        id,
      ).toHaveLength(routes.length);
      expect(shown.reasons, id).toEqual(routes.flatMap(({ reason }) => reason ?? []));
      const isByBucket =
        bucket !== undefined && (routes.find(({ result }) => result === 'matched')?.split?.length ?? 0) > 1;
      const said = `bucket ${bucket?.toLocaleString('en')} of 10,000`;
      expect(await page.getByText(said).count(), `${id}: ${said}`).toBe(isByBucket ? 1 : 0);
    }
  });

  it('moves exactly as many users as compare and graylane simulate count', async () => {
    const page = await open({ policy: SPLIT(5) });
    const slider = page.getByRole('slider', { name: 'canary in route everyone' });
    const box = await slider.boundingBox();
    if (box === null) throw new Error('no slider');
    // A drag, with weights on the way that are overtaken.
    await page.mouse.move(box.x + box.width * 0.06, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2, { steps: 12 });
    await page.mouse.move(box.x + box.width * 0.31, box.y + box.height / 2, { steps: 12 });
    await page.mouse.up();
    const weight = Number(await slider.inputValue());
    expect(weight).toBeGreaterThan(20);
    await expect.poll(async () => (await stateOf(page))?.policy).toBe(SPLIT(weight));
    const [compared] = findMovedCallers(planOf(SPLIT(5)), planOf(SPLIT(weight)));
    const moved = Math.round((compared?.moved ?? 0) * CROWD_SIZE);
    const said = `${moved.toLocaleString('en')} of 10,000 users move`;
    await page.getByText(said).waitFor();

    const files = { now: SPLIT(5), next: SPLIT(weight) };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, `${name}.yaml`), text);
    const users = Array.from({ length: CROWD_SIZE }, (_, index) =>
      JSON.stringify({ method: START.method, labels: { 'x-user-id': userName(index) } }),
    );
    await writeFile(join(folder, 'users.ndjson'), users.join('\n'));
    const [now, next, from] = ['now.yaml', 'next.yaml', 'users.ndjson'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const { json } = await graylaneJson<{
      readonly against: {
        readonly moved: { readonly calls: number };
        readonly subsets: readonly { readonly calls: number }[];
      };
    }>(['simulate', now, '--against', next, '--from', from]);
    expect(json.against.moved.calls).toBe(moved);
    const [stable, canary] = json.against.subsets.map(({ calls }) => calls.toLocaleString('en'));
    const label = `stable ${stable}, canary ${canary}; ${moved} moved`;
    expect(await page.getByRole('img', { name: label }).count()).toBe(1);
    // Back again, and nobody has moved.
    await page.getByRole('button', { name: 'Back' }).click();
    await page.getByText('Nobody moves.').waitFor();
    await expect.poll(async () => (await stateOf(page))?.policy).toBe(SPLIT(5));
  });

  it('says when a change reshuffles users', async () => {
    const page = await open({ policy: SPLIT(20).replace('everyone', 'all'), before: SPLIT(20) });
    await page.getByText(/Reshuffled: its salt changed with the name everyone to all/).waitFor();
  });

  it('runs breakers and rollouts as the SDK does', async () => {
    const page = await open({ policy: SPLIT(5), traffic: { ...START.traffic, canaryFailing: 5 } });
    const scenario = {
      ...{
        level: 'endpoint' as const,
        subset: 'canary',
        callsPerSecond: 20,
        failingPercent: 100,
        isSilent: false,
        seed: 1,
      },
      ...{ failsFromMs: 5_000, failsUntilMs: 25_000, durationMs: 60_000 },
    };
    const { totals, failedWithout } = runBreaker(planOf(SPLIT(5)), scenario);
    expect(totals.failed).toBeLessThan(failedWithout / 10);
    await page.getByText(`${totals.failed} calls failed; ${failedWithout} would have without the breaker.`).waitFor();
    await page.getByText('5 failures in a row').first().waitFor();
    await page.getByText('rolled back').waitFor();
    await page.getByRole('spinbutton', { name: 'Canary fails, %' }).fill('0.5');
    await page.getByText('completed').waitFor();
  });
});

describe('the editor', () => {
  const BAD: Readonly<Record<string, string>> = {
    'an unknown key': `${SPLIT(5)}balancin: {}\n`,
    'a value out of range': SPLIT(5).replace('stickBy', 'timeoutMs: -1\n    stickBy'),
    'a subset that is not there': SPLIT(5).replace('to: canary', 'to: canray'),
    'no YAML': SPLIT(5).replace('- { to: canary', '- { to: [canary'),
    'several at once': SPLIT(5).replace('stable:', 'sta ble:').replace('x-user-id', '""'),
  };
  /** Of the marks beside the lines, the numbers of the lines that stand at the same height. */
  const MARKED = `(() => {
    const root = document.querySelector('.editor').shadowRoot;
    const topOf = (element) => Math.round(element.getBoundingClientRect().top);
    const numbers = [...root.querySelectorAll('.cm-lineNumbers .cm-gutterElement')];
    return [...root.querySelectorAll('.cm-lint-marker-error')].map((mark) => {
      const top = topOf(mark.closest('.cm-gutterElement'));
      return Number(numbers.find((number) => topOf(number) === top && Number(number.textContent) > 0).textContent);
    });
  })()`;

  it('marks the lines that the validator names', async () => {
    const page = await browser.open(url);
    for (const [name, policy] of Object.entries(BAD)) {
      const file = join(folder, 'bad.yaml');
      await writeFile(file, policy);
      const { json, code } = await graylaneJson<readonly Judged[]>(['policy', 'validate', file]);
      expect(code, name).toBe(1);
      const problems = json[0]?.problems ?? [];
      const lines = [...new Set(problems.map(({ line }) => line))].sort((one, other) => one - other);
      expect(lines.length, name).toBeGreaterThan(0);
      await page.goto(await addressOf({ policy }));
      await expect.poll(() => page.evaluate(MARKED), { message: name }).toEqual(lines);
      for (const { message } of problems) await page.getByText(message).first().waitFor({ timeout: 10_000 });
    }
    await page.getByRole('button', { name: 'Line 12' }).click();
    expect(await page.evaluate('document.activeElement.shadowRoot.activeElement.ariaLabel')).toBe('Policy in YAML');
  });

  it('completes keys from the schema by keyboard, tells what they are, and lets Tab leave', async () => {
    const page = await open({ policy: SPLIT(5) });
    const editor = page.getByRole('textbox', { name: 'Policy in YAML' });
    await editor.focus();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('retry');
    // The list opens by itself, unless the machine is too busy: then as for a person, by its key.
    const offers = async (text: string): Promise<boolean> => {
      if (await page.locator('.cm-tooltip').getByText(text).first().isVisible()) return true;
      await page.keyboard.press('Control+Space');
      return false;
    };
    await expect.poll(() => offers('retryBudget'), { interval: 400 }).toBe(true);
    await page.keyboard.press('Escape');
    await page.keyboard.type(': { maxA');
    await expect.poll(() => offers('counts the first try; a whole number, 2 to 5'), { interval: 400 }).toBe(true);
    // The editor takes no choice in the first moment in which its list is open.
    await page.waitForTimeout(150);
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await stateOf(page))?.policy).toContain('retry: { maxAttempts: ');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.shadowRoot === null')).toBe(true);
    const key = page.locator('.cm-line').getByText('stickBy');
    await expect
      .poll(
        async () => {
          await page.mouse.move(0, 0);
          await key.hover();
          await page.waitForTimeout(500);
          return page.locator('.cm-tooltip-hover').getByText('routes[].stickBy').isVisible();
        },
        { interval: 100 },
      )
      .toBe(true);
  });
});

describe('a link', () => {
  it('holds everything, and nothing is sent', async () => {
    const page = await open({ policy: SPLIT(5) });
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.url()));
    await page.getByRole('slider', { name: 'canary in route everyone' }).fill('40');
    await page.getByRole('textbox', { name: 'Value of label 1' }).fill('u-7 灰度 & <b>');
    await page.getByRole('button', { name: 'Add label' }).click();
    await page.getByRole('combobox', { name: 'Key of label 2' }).fill('x-tier');
    await page.getByRole('combobox', { name: 'Whose breaker' }).selectOption('subset');
    await page.getByRole('spinbutton', { name: 'Canary, median ms' }).fill('35');
    const expected = {
      ...START,
      policy: SPLIT(40),
      before: SPLIT(5),
      labels: [
        ['x-user-id', 'u-7 灰度 & <b>'],
        ['x-tier', ''],
      ],
      breaker: { ...START.breaker, level: 'subset' },
      traffic: { ...START.traffic, canaryMs: 35 },
    };
    await expect.poll(() => stateOf(page)).toEqual(expected);
    expect(sent).toEqual([]);
    const said = await decisionOn(page);

    const other = await browser.open(page.url());
    await expect.poll(async () => (await decisionOn(other)).subset).toBe(said.subset);
    expect(await other.getByRole('textbox', { name: 'Value of label 1' }).inputValue()).toBe('u-7 灰度 & <b>');
    await other.getByText(/of 10,000 users move/).waitFor();
    await expect.poll(() => stateOf(other)).toEqual(expected);
  });

  it('is read before anything can be changed, however long that takes', async () => {
    const page = await browser.open('about:blank');
    await page.addInitScript(`
      const Real = DecompressionStream;
      globalThis.DecompressionStream = function (format) {
        const transform = (chunk, out) => new Promise((resolve) => {
          setTimeout(() => resolve(out.enqueue(chunk)), 1_500);
        });
        const slow = new TransformStream({ transform });
        return { writable: slow.writable, readable: slow.readable.pipeThrough(new Real(format)) };
      };
    `);
    await page.goto(await addressOf({ policy: SPLIT(7) }));
    await page.getByText('Nothing is sent anywhere').waitFor();
    await page.waitForTimeout(500);
    expect(await page.locator('main').getByRole('textbox').count()).toBe(0);
    await page.getByRole('slider', { name: 'canary in route everyone' }).fill('30');
    await expect.poll(() => stateOf(page)).toMatchObject({ policy: SPLIT(30), before: SPLIT(7) });
  });

  it('is refused when it cannot be read, with an example in its place', async () => {
    const bad = {
      garbage: '#p=%%%',
      'a cut one': `#${(await writeLink(START))?.slice(0, -40)}`,
      'one that unfolds to too much': `#${await writeLink({ ...START, policy: 'a'.repeat(1_000_000) })}`,
      'one that is too long': `#p=${'A'.repeat(70_000)}`,
      'another kind': '#/services',
    };
    const page = await browser.open(url);
    for (const [name, hash] of Object.entries(bad)) {
      await page.goto('about:blank');
      await page.goto(`${url}${hash}`);
      await page.getByText('This link cannot be read.').waitFor();
      await expect.poll(async () => (await decisionOn(page)).subset, { message: name }).toBe('stable');
    }
  });

  it('brings numbers within their bounds, and leaves out what is no value of the form', async () => {
    const odd = {
      ...START,
      traffic: { ...START.traffic, callsPerSecond: 1e9, seed: 'x' },
      labels: [['a'], 3, ['b', 'c']],
      method: 5,
    };
    const found = await readLink(`#${await writeLink(odd as unknown as PlaygroundState)}`, START);
    expect(found).toEqual({ ...START, traffic: { ...START.traffic, callsPerSecond: 1_000 }, labels: [['b', 'c']] });
  });
});

describe('script in names', () => {
  const EVIL = '<img src=x onerror="document.title=1">';

  it('is shown as text, wherever it stands', async () => {
    const policy = SPLIT(5)
      .replace('everyone', `'${EVIL}'`)
      .replace(
        'routes:',
        `routes:\n  - name: "<script>document.title=1</script>"\n    match: { labels: { x-a: '${EVIL}' } }\n    to: canary`,
      );
    const page = await open({
      policy,
      before: SPLIT(9).replace('everyone', `'${EVIL}'`),
      labels: [
        ['x-a', `${EVIL}!`],
        ['x-user-id', EVIL],
      ],
      caller: EVIL,
    });
    await page.getByText(`by route ${EVIL}`).waitFor();
    await page.getByText(`x-a: ${EVIL}! (expected: = ${EVIL})`).waitFor();
    await page.getByText(`route ${EVIL}:`).waitFor();
    const bad = await open({ policy: SPLIT(5), rollout: `schema: 1\n"${EVIL}": 1\n` });
    await bad.goto(await addressOf({ policy: `${SUBSETS}"${EVIL}": 1\n` }));
    await bad.getByText('problems: 1').waitFor();
    for (const each of [page, bad]) {
      expect(await each.evaluate('document.querySelectorAll("img, script:not([src])").length')).toBe(0);
      expect(await each.title()).toBe('Playground · Graylane');
    }
  });
});

describe('the page', () => {
  it.each([
    ['a desk, in English', { viewport: DESK }],
    ['a desk, dark', { viewport: DESK, colorScheme: 'dark' as const }],
    ['a phone, in Chinese', { viewport: PHONE, locale: 'zh-CN' }],
  ])('fits %s, and hinders nobody', async (_, options) => {
    const page = await open({ policy: SPLIT(30), before: SPLIT(5), caller: 'x' }, options);
    await page
      .getByText(/2,\d\d\d/)
      .first()
      .waitFor();
    for (const summary of await page.locator('summary').all()) await summary.click();
    expect(await isTooWide(page)).toBe(false);
    expect(await axeFindings(page)).toEqual([]);
    if ('locale' in options) await page.getByText('一次调用').waitFor();
  });

  it('works by keyboard alone', async () => {
    const page = await open({ policy: SPLIT(5) }, { reducedMotion: 'reduce' });
    const focused = (): Promise<string | null> =>
      page.evaluate(
        'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent',
      ) as Promise<string | null>;
    for (let press = 0; press < 60 && (await focused()) !== 'canary in route everyone'; press += 1)
      await page.keyboard.press('Tab');
    for (let press = 0; press < 3; press += 1) await page.keyboard.press('ArrowRight');
    await expect.poll(async () => (await stateOf(page))?.policy).toBe(SPLIT(8));
    await page.getByText(/^\d+ of 10,000 users move$/).waitFor();
    for (let press = 0; press < 5 && (await focused()) !== 'Compare from here'; press += 1)
      await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Nobody moves.').waitFor();
  });

  it('takes every press of a key, however late the worker answers', async () => {
    const page = await browser.open('about:blank');
    await page.addInitScript(`
      const Real = Worker;
      globalThis.Worker = class {
        #kinds = new Map();
        #real;
        constructor(...args) {
          this.#real = new Real(...args);
        }
        postMessage(asked) {
          this.#kinds.set(asked.number, asked.question.kind);
          this.#real.postMessage(asked);
        }
        set onmessage(heard) {
          this.#real.onmessage = (event) =>
            setTimeout(heard, this.#kinds.get(event.data.number) === 'reweigh' ? 400 : 100, event);
        }
        set onerror(heard) {
          this.#real.onerror = heard;
        }
      };
    `);
    await page.goto(await addressOf({ policy: SPLIT(5) }));
    const slider = page.getByRole('slider', { name: 'canary in route everyone' });
    await slider.focus();
    // Some are pressed while the text with the last one is made, some while it is checked.
    for (const pauseMs of [450, 150, 450, 450, 50, 150, 250, 450, 150]) {
      await page.keyboard.press('ArrowRight');
      await page.waitForTimeout(pauseMs);
    }
    await expect.poll(async () => (await stateOf(page))?.policy).toBe(SPLIT(14));
    expect(await slider.inputValue()).toBe('14');
  });

  it('answers no foreign host, and lets nobody frame it', async () => {
    const foreign = await fetch(url, { headers: { origin: 'http://evil.example' } });
    expect(foreign.status).toBe(403);
    const answer = await fetch(url);
    expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}../package.json`)).status).toBe(404);
  });

  it('can be written as files, which another server embeds below a path', async () => {
    const target = join(folder, 'written');
    expect((await graylane(['playground', '--write', target])).code).toBe(0);
    const types: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
    const server = createServer((request, response) => {
      const name = new URL(request.url ?? '/', url).pathname.replace('/docs/try/', '') || 'index.html';
      if (name === 'outer.html') {
        response.setHeader('content-type', 'text/html');
        response.end(
          '<link rel="icon" href="data:,"><iframe src="/docs/try/?embed=1&lang=zh&theme=dark" width=900 height=900></iframe>',
        );
        return;
      }
      response.setHeader('content-type', types[name.split('.').at(-1) ?? ''] ?? '');
      void readFile(join(target, name)).then(
        (content) => response.end(content),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const page = await browser.open(`http://127.0.0.1:${port}/docs/try/outer.html`);
      const frame = page.frameLocator('iframe');
      await frame.getByText('一次调用').waitFor();
      await frame.locator('.play-goes strong').getByText('stable').waitFor();
      expect(await frame.locator('header').count()).toBe(0);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
