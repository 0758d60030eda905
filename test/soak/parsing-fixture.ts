/**
 * A process that does nothing but parse an answer of the registry (`ADDRESS`) twice a second: how long that takes beside
 * all else. Sends `{ parseMs }` when asked.
 */
const EVERY_MS = 500;

async function main(): Promise<void> {
  const body = await (await fetch(`${process.env['ADDRESS']}/v1/health/service/payments`)).text();
  const parseMs: number[] = [];
  setInterval(() => {
    const began = performance.now();
    JSON.parse(body);
    parseMs.push(performance.now() - began);
  }, EVERY_MS);
  process.on('message', () => process.send?.({ parseMs: parseMs.splice(0) }));
  process.once('disconnect', () => process.exit(0));
  process.send?.({ answerBytes: body.length });
}

void main();
