import { join } from 'node:path';
import { Controller, type DynamicModule, Get, Inject } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { definePolicy, type StaticInstance } from 'graylane';
import { GRAYLANE_HEALTH, type GraylaneHealth, type GraylaneHealthResult, GraylaneModule } from 'graylane/nestjs';
import { type ChargeReply, PAYMENTS, PaymentsClient } from './payments.client';

export const protoPath = join(__dirname, '..', '..', '..', 'proto', 'payments.proto');
export const packageName = 'shop.v1';

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
});

@Controller()
class OrdersController {
  @Inject(PaymentsClient) private readonly payments!: PaymentsClient;
  @Inject(GRAYLANE_HEALTH) private readonly graylane!: GraylaneHealth;

  /** Hands no label on: `x-gray` of the request goes with the call by itself. */
  @Get('order')
  order(): Promise<ChargeReply> {
    return this.payments.charge('o-http');
  }

  @Get('health')
  health(): Promise<Record<string, GraylaneHealthResult>> {
    return this.graylane.check('payments', ['payments']);
  }
}

class OrdersModule {}

/** With Consul: GraylaneModule.forRoot({ client: { consul: { address } } }), and the policy from its KV store. */
export function ordersModule(instances: readonly StaticInstance[]): DynamicModule {
  return {
    module: OrdersModule,
    imports: [
      GraylaneModule.forRoot({
        client: { instances: { payments: instances }, policies: { payments: policy } },
        accept: ['x-gray'],
        waitFor: ['payments'],
      }),
      ClientsModule.registerAsync([
        GraylaneModule.grpcClient(PAYMENTS, 'payments', { package: packageName, protoPath }),
      ]),
    ],
    providers: [PaymentsClient],
    controllers: [OrdersController],
  };
}
