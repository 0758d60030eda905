import '../../../src/register';
import { charge, paymentsClient } from '../../support/payments';

// Run as a process of its own: code that knows nothing of clients, with a bare target. Ends by itself once its client is
// closed, though nobody closes the Graylane client.
async function main(): Promise<void> {
  const client = paymentsClient('consul:///payments');
  const reply = await charge(client, { 'x-gray': 'canary' });
  console.log(JSON.stringify({ servedBy: reply.servedBy, gray: reply.gray }));
  client.close();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
