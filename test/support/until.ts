const LOOK_EVERY_MS = 5;

/** Waits for what is to come about; fails after `limitMs`, saying `otherwise`. */
export async function until(
  holds: () => boolean,
  limitMs = 10_000,
  otherwise = 'it did not come about',
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
