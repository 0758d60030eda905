// Draws what the demo said as a terminal: `npm run --silent demo | npx tsx examples/demo/picture.ts > docs/terminal.svg`.
// It keeps the steps, what came of each, and the last lines; figures that were told every two seconds are left out.

const COLUMNS = 88;
const ROW = 19;
const TOP = 44;
const LEFT = 20;
/** Of one character, in the font size below. */
const CHARACTER = 7.8;
/** Between one line and the next, in seconds. */
const PAUSE = 0.4;

interface Line {
  readonly text: string;
  readonly kind: 'prompt' | 'step' | 'ok' | 'failed' | 'end';
}

async function main(): Promise<void> {
  let output = '';
  for await (const chunk of process.stdin) output += String(chunk);
  const lines = linesOf(output);
  if (!lines.some(({ kind }) => kind === 'end')) {
    throw new Error('standard input: no end of a demo (expected: what npm run demo says, in a pipe)');
  }
  process.stdout.write(draw(lines));
}

function linesOf(output: string): readonly Line[] {
  const lines: Line[] = [{ kind: 'prompt', text: 'npm run demo' }];
  for (const text of output.split('\n')) {
    if (text.startsWith('> ')) lines.push({ kind: 'step', text: text.slice(2) });
    else if (text.startsWith('ok: '))
      lines.push(...wrapped(text.slice(4)).map((one) => ({ kind: 'ok', text: one }) as const));
    else if (text.startsWith('FAILED')) lines.push({ kind: 'failed', text });
    else if (/^\d+ calls, \d+ lost\.$/.test(text)) lines.push({ kind: 'end', text });
  }
  return lines;
}

function wrapped(text: string): readonly string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (`${lines[last]} ${word}`.length > COLUMNS - 6) lines.push(word);
    else lines[last] = `${lines[last]} ${word}`.trim();
  }
  return lines;
}

function draw(lines: readonly Line[]): string {
  const width = Math.round(COLUMNS * CHARACTER) + 2 * LEFT;
  const height = TOP + lines.length * ROW + 14;
  const rows = lines.map(({ kind, text }, index) => {
    const delay = `style="animation-delay:${(index * PAUSE).toFixed(2)}s"`;
    const x = kind === 'ok' ? LEFT + 2 * CHARACTER : LEFT;
    const mark = { prompt: '$ ', step: '', ok: '✓ ', failed: '✗ ', end: '' }[kind];
    return `<text class="${kind}" x="${x.toFixed(1)}" y="${TOP + index * ROW}" ${delay}>${mark}${escaped(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(lines.map(({ text }) => text).join('; '))}">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre;fill:#c9d1d9;animation:show .2s both}
.prompt{fill:#8b949e}.step{fill:#79c0ff}.ok{fill:#7ee787}.failed{fill:#ff7b72}.end{fill:#f0f6fc;font-weight:700}
@keyframes show{from{opacity:.3}to{opacity:1}}
@media (prefers-reduced-motion:reduce){text{animation:none}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<circle cx="20" cy="18" r="5" fill="#ff5f57"/><circle cx="38" cy="18" r="5" fill="#febc2e"/><circle cx="56" cy="18" r="5" fill="#28c840"/>
${rows.join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
