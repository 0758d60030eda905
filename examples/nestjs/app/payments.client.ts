import { Metadata } from '@grpc/grpc-js';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { ClientGrpc } from '@nestjs/microservices';
import { firstValueFrom, type Observable } from 'rxjs';

export const PAYMENTS = Symbol('payments');

export interface ChargeReply {
  order: string;
  version: string;
  tag: string;
}

interface Payments {
  charge(request: { order: string }, metadata?: Metadata): Observable<ChargeReply>;
}

/** An ordinary NestJS gRPC client: nothing in it knows of Graylane. */
@Injectable()
export class PaymentsClient implements OnModuleInit {
  @Inject(PAYMENTS) private readonly client!: ClientGrpc;
  private payments!: Payments;

  onModuleInit(): void {
    this.payments = this.client.getService<Payments>('Payments');
  }

  charge(order: string, metadata: Metadata = new Metadata()): Promise<ChargeReply> {
    return firstValueFrom(this.payments.charge({ order }, metadata));
  }
}
