/** What the soak itself asks of Consul has to wait while Consul is down. */
export async function persist(ask: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 90_000;
  for (;;) {
    try {
      const answer = await ask();
      if (answer instanceof Response) await answer.arrayBuffer();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
