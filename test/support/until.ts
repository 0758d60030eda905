const LOOK_EVERY_MS = 5;

/** Waits for what is to come about; fails after `limitMs`. */
export async function until(holds: () => boolean, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
