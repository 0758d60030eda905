import { credentials } from '@grpc/grpc-js';
import { createGraylane } from '../../../src/index';
import { charge, Payments, type PaymentsClient, paymentsClient } from '../../support/payments';

// Run as a process of its own: calls through each way into a client, whatever the environment says, and ends by itself.
async function main(port: number): Promise<void> {
  const graylane = createGraylane({ instances: { payments: [{ address: '127.0.0.1', port }] } });
  // The environment must not win over a user who did not think of it, nor over one who asks for the proxy.
  const clients = [
    paymentsClient(graylane.target('payments'), graylane.clientOptions()),
    paymentsClient(graylane.target('payments'), graylane.channelOptions({ 'grpc.enable_http_proxy': 1 })),
    new Payments('unused', credentials.createInsecure(), {
      channelOverride: graylane.channel('payments', credentials.createInsecure()),
    }) as unknown as PaymentsClient,
  ];
  const served: string[] = [];
  for (const client of clients) served.push((await charge(client)).servedBy);
  console.log(JSON.stringify(served));
  await graylane.close();
}

main(Number(process.argv[2])).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
